// TensorFlow operation TvmCluster: runs a library that was compiled by TVM's Relax and exported.
//
// TVM is reached through its C interface alone, looked up at run time: nothing here links against it. Symbols of TVM
// and of TensorFlow must not see each other (both hold an LLVM), so its libraries stay local to themselves; only the
// one with the C interface, which is small and holds no LLVM, is global, as compiled code looks there for its symbols.

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "tensorflow/core/framework/allocation_description.pb.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/lib/core/threadpool.h"
#include "tvm/ffi/c_api.h"

namespace tvm_hlo_frontend {
namespace {

using absl::Status;
using tensorflow::DataType;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

// what vectors of compiled code may need, and what TensorFlow's Eigen asks for
constexpr uintptr_t kAlignment = 64;
// of TVM's memory manager, as relax.VirtualMachine has it
constexpr int64_t kPooledAllocator = 2;

// ---- TVM's C interface

class Api;

// One of TVM's values, and the reference to it if it is an object.
class Value {
 public:
  Value() = default;
  Value(const Api* api, TVMFFIAny any) : api_(api), any_(any) {}
  Value(Value&& other) noexcept { *this = std::move(other); }
  Value& operator=(Value&& other) noexcept {
    std::swap(api_, other.api_);
    std::swap(any_, other.any_);
    return *this;
  }
  ~Value();

  const TVMFFIAny& any() const { return any_; }
  bool is(int32_t type) const { return any_.type_index == type; }
  DLTensor* tensor() const { return TVMFFITensorGetDLTensorPtr(any_.v_obj); }

 private:
  const Api* api_ = nullptr;
  TVMFFIAny any_{};
};

TVMFFIAny Integer(int64_t number) {
  TVMFFIAny any{};
  any.type_index = kTVMFFIInt;
  any.v_int64 = number;
  return any;
}

TVMFFIAny Text(const char* text) {
  TVMFFIAny any{};
  any.type_index = kTVMFFIRawStr;
  any.v_c_str = text;
  return any;
}

using ParallelTask = int (*)(int task, void* environment, void* data);
using ParallelLaunch = int (*)(ParallelTask task, void* data, int tasks);

// The functions of one TVM in this process. There is an Api as long as the process: objects may outlive all kernels.
class Api {
 public:
  // The TVM of these libraries, in the order in which they need each other.
  static Status Get(const std::vector<std::string>& paths, const Api** api);

  Status Call(const TVMFFIAny& function, absl::Span<const TVMFFIAny> arguments, Value* result) const;
  Status Method(const Value& module, const char* name, Value* function) const;
  // A tensor on memory that is not TVM's.
  Status Borrow(DLManagedTensor* memory, Value* tensor) const;
  // The error that TVM has raised in this thread.
  Status Raised() const;

  Value load_module, get_function, array_size, array_item, shape;
  ParallelLaunch launch = nullptr;
  decltype(&TVMFFIObjectDecRef) release = nullptr;
  decltype(&TVMFFIErrorMoveFromRaised) take_error = nullptr;
  decltype(&TVMFFIErrorSetRaised) set_error = nullptr;

 private:
  Status Load(const std::vector<std::string>& paths);
  Status Global(const char* name, Value* function) const;

  decltype(&TVMFFIFunctionCall) call_ = nullptr;
  decltype(&TVMFFIFunctionGetGlobal) global_ = nullptr;
  decltype(&TVMFFITensorFromDLPack) borrow_ = nullptr;
};

Value::~Value() {
  if (api_ != nullptr && any_.type_index >= kTVMFFIStaticObjectBegin) api_->release(any_.v_obj);
}

// The library at a path; by its name alone where another file of that name is loaded already (a second copy of TVM
// would not know the objects of the first), or where the path is none of this machine.
Status OpenRuntime(const std::string& path, void** handle) {
  const std::string name = path.substr(path.rfind('/') + 1);
  std::string reason;
  for (const int known : {RTLD_NOLOAD, 0}) {
    for (const std::string& each : {path, name}) {
      *handle = dlopen(each.c_str(), RTLD_NOW | RTLD_LOCAL | known);
      if (*handle != nullptr) return absl::OkStatus();
      if (known == 0) absl::StrAppend(&reason, reason.empty() ? "" : "; ", dlerror());
    }
  }
  return absl::NotFoundError(absl::StrCat("TVM's runtime cannot be loaded: ", reason));
}

template <typename Function>
Status Find(absl::Span<void* const> handles, const char* name, Function* function, void** holder = nullptr) {
  for (void* handle : handles) {
    if (void* found = dlsym(handle, name)) {
      *function = reinterpret_cast<Function>(found);
      if (holder != nullptr) *holder = handle;
      return absl::OkStatus();
    }
  }
  return absl::NotFoundError(absl::StrCat("TVM's libraries have no ", name, "; they must be those of TVM 0.27"));
}

Status Api::Get(const std::vector<std::string>& paths, const Api** api) {
  static std::mutex* mutex = new std::mutex;
  static auto* loaded = new std::map<std::vector<std::string>, std::unique_ptr<Api>>;
  std::lock_guard<std::mutex> lock(*mutex);
  auto found = loaded->find(paths);
  if (found == loaded->end()) {
    auto made = std::make_unique<Api>();
    TF_RETURN_IF_ERROR(made->Load(paths));
    found = loaded->emplace(paths, std::move(made)).first;
  }
  *api = found->second.get();
  return absl::OkStatus();
}

Status Api::Load(const std::vector<std::string>& paths) {
  std::vector<void*> handles(paths.size());
  for (size_t i = 0; i < paths.size(); ++i) {
    TF_RETURN_IF_ERROR(OpenRuntime(paths[i], &handles[i]));
  }
  void* interface = nullptr;
  TF_RETURN_IF_ERROR(Find(handles, "TVMFFIFunctionCall", &call_, &interface));
  TF_RETURN_IF_ERROR(Find(handles, "TVMFFIFunctionGetGlobal", &global_));
  TF_RETURN_IF_ERROR(Find(handles, "TVMFFITensorFromDLPack", &borrow_));
  TF_RETURN_IF_ERROR(Find(handles, "TVMFFIObjectDecRef", &release));
  TF_RETURN_IF_ERROR(Find(handles, "TVMFFIErrorMoveFromRaised", &take_error));
  TF_RETURN_IF_ERROR(Find(handles, "TVMFFIErrorSetRaised", &set_error));
  TF_RETURN_IF_ERROR(Find(handles, "TVMBackendParallelLaunch", &launch));
  // from its address to its path, and from there into the global scope
  Dl_info where;
  if (dladdr(reinterpret_cast<void*>(call_), &where) == 0 ||
      dlopen(where.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD) == nullptr) {
    return absl::InternalError("the library with TVM's C interface cannot be made global");
  }
  TF_RETURN_IF_ERROR(Global("ffi.ModuleLoadFromFile", &load_module));
  TF_RETURN_IF_ERROR(Global("ffi.ModuleGetFunction", &get_function));
  TF_RETURN_IF_ERROR(Global("ffi.ArraySize", &array_size));
  TF_RETURN_IF_ERROR(Global("ffi.ArrayGetItem", &array_item));
  return Global("ffi.Shape", &shape);
}

Status Api::Global(const char* name, Value* function) const {
  const TVMFFIByteArray text{name, std::strlen(name)};
  TVMFFIObjectHandle handle = nullptr;
  if (global_(&text, &handle) != 0) return Raised();
  if (handle == nullptr) return absl::NotFoundError(absl::StrCat("TVM has no function ", name));
  TVMFFIAny any{};
  any.type_index = kTVMFFIFunction;
  any.v_obj = static_cast<TVMFFIObject*>(handle);
  *function = Value(this, any);
  return absl::OkStatus();
}

Status Api::Call(const TVMFFIAny& function, absl::Span<const TVMFFIAny> arguments, Value* result) const {
  TVMFFIAny any{};
  // it changes no argument
  auto* given = const_cast<TVMFFIAny*>(arguments.data());
  if (call_(function.v_obj, given, static_cast<int32_t>(arguments.size()), &any) != 0) return Raised();
  *result = Value(this, any);
  return absl::OkStatus();
}

Status Api::Method(const Value& module, const char* name, Value* function) const {
  TVMFFIAny own_only{};
  own_only.type_index = kTVMFFIBool;
  TF_RETURN_IF_ERROR(Call(get_function.any(), {module.any(), Text(name), own_only}, function));
  if (function->is(kTVMFFIFunction)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("it has no function ", name));
}

Status Api::Borrow(DLManagedTensor* memory, Value* tensor) const {
  TVMFFIObjectHandle handle = nullptr;
  if (borrow_(memory, 0, 1, &handle) != 0) {
    memory->deleter(memory);
    return Raised();
  }
  TVMFFIAny any{};
  any.type_index = kTVMFFITensor;
  any.v_obj = static_cast<TVMFFIObject*>(handle);
  *tensor = Value(this, any);
  return absl::OkStatus();
}

Status Api::Raised() const {
  TVMFFIObjectHandle error = nullptr;
  take_error(&error);
  if (error == nullptr) return absl::InternalError("TVM failed without a message");
  const TVMFFIErrorCell* cell = TVMFFIErrorGetCellPtr(error);
  std::string text = absl::StrCat(std::string(cell->kind.data, cell->kind.size), ": ",
                                  std::string(cell->message.data, cell->message.size));
  release(error);
  return absl::InternalError(text);
}

// ---- Parallel loops of compiled code

// Number formats as TVM's code expects them. TensorFlow's threads flush denormals, which would change results.
class PlainFloats {
 public:
  PlainFloats() {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~PlainFloats() { std::fesetenv(&before_); }

 private:
  std::fenv_t before_;
};

// Whose threads a call in this thread may use.
struct Workers {
  const Api* api = nullptr;
  tensorflow::thread::ThreadPool* threads = nullptr;
};
thread_local Workers current_workers;
std::atomic<ParallelLaunch> tvm_launch{nullptr};

// As TVM's own declaration of it; the handle is for barriers, which Relax's code has none of.
struct ParallelEnvironment {
  void* barriers;
  int32_t tasks;
};

// In place of TVMBackendParallelLaunch, with TensorFlow's threads. TVM's would be so many again for every thread of
// TensorFlow that runs a cluster, and they wait by spinning.
int LaunchOnWorkers(ParallelTask task, void* data, int tasks) {
  const Workers workers = current_workers;
  if (workers.threads == nullptr) return tvm_launch.load()(task, data, tasks);
  if (tasks == 0) tasks = workers.threads->NumThreads();
  ParallelEnvironment environment{nullptr, tasks};
  std::atomic<TVMFFIObjectHandle> error{nullptr};
  std::atomic<bool> failed{false};
  workers.threads->ParallelFor(tasks, /*cost_per_unit=*/1 << 20, [&](int64_t begin, int64_t end) {
    const PlainFloats floats;
    for (int64_t i = begin; i < end && !failed; ++i) {
      if (task(static_cast<int>(i), &environment, data) == 0) continue;
      // errors belong to the thread that raised them; the first one is handed to the caller's
      TVMFFIObjectHandle own = nullptr, none = nullptr;
      workers.api->take_error(&own);
      if (own != nullptr && !error.compare_exchange_strong(none, own)) workers.api->release(own);
      failed = true;
    }
  });
  if (error != nullptr) {
    workers.api->set_error(error);
    workers.api->release(error);
  }
  return failed ? -1 : 0;
}

// ---- Loaded libraries

// A virtual machine; it runs one call at a time.
struct Machine {
  Value module, main;
};

// A library and its idle machines, for all kernels that name it.
class Library {
 public:
  static Status Open(const Api* api, const std::string& path, std::shared_ptr<Library>* library);

  const Api* api() const { return api_; }
  Status Take(std::unique_ptr<Machine>* machine);
  void GiveBack(std::unique_ptr<Machine> machine) {
    std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(std::move(machine));
  }

 private:
  Status Load(const Api* api, const std::string& path);

  const Api* api_ = nullptr;
  Value module_, new_machine_;
  std::mutex making_, mutex_;
  std::vector<std::unique_ptr<Machine>> idle_;
};

Status Library::Open(const Api* api, const std::string& path, std::shared_ptr<Library>* library) {
  // never destroyed: kernels may be, after the statics of this library
  static std::mutex* mutex = new std::mutex;
  static auto* open = new std::map<std::pair<const Api*, std::string>, std::weak_ptr<Library>>;
  std::lock_guard<std::mutex> lock(*mutex);
  std::weak_ptr<Library>& known = (*open)[{api, path}];
  *library = known.lock();
  if (*library != nullptr) return absl::OkStatus();
  auto made = std::make_shared<Library>();
  TF_RETURN_IF_ERROR(made->Load(api, path));
  known = made;
  *library = std::move(made);
  return absl::OkStatus();
}

Status Library::Load(const Api* api, const std::string& path) {
  if (access(path.c_str(), R_OK) != 0) {
    return absl::NotFoundError(absl::StrCat("there is no library ", path, " that can be read"));
  }
  api_ = api;
  TF_RETURN_IF_ERROR(api->Call(api->load_module.any(), {Text(path.c_str())}, &module_));
  const Status found = api->Method(module_, "vm_load_executable", &new_machine_);
  if (!found.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is no library that Relax exported: ", found.message()));
  }
  if (void* handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD)) {
    // a variable of the library, there if its code has parallel loops
    tvm_launch = api->launch;
    if (void* variable = dlsym(handle, "__TVMBackendParallelLaunch")) {
      *static_cast<ParallelLaunch*>(variable) = LaunchOnWorkers;
    }
    dlclose(handle);
  }
  return absl::OkStatus();
}

Status Library::Take(std::unique_ptr<Machine>* machine) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!idle_.empty()) {
      *machine = std::move(idle_.back());
      idle_.pop_back();
      return absl::OkStatus();
    }
  }
  std::lock_guard<std::mutex> lock(making_);
  auto made = std::make_unique<Machine>();
  Value nothing;
  TF_RETURN_IF_ERROR(api_->Call(new_machine_.any(), {}, &made->module));
  TF_RETURN_IF_ERROR(api_->Method(made->module, "vm_initialization", &nothing));
  const TVMFFIAny device[] = {Integer(kDLCPU), Integer(0), Integer(kPooledAllocator)};
  TF_RETURN_IF_ERROR(api_->Call(nothing.any(), device, &nothing));
  TF_RETURN_IF_ERROR(api_->Method(made->module, "main", &made->main));
  *machine = std::move(made);
  return absl::OkStatus();
}

// ---- Tensors

// What elements of a type of TensorFlow are to TVM, as hlo/ir/storage.py has it: the same memory.
struct Carrier {
  DLDataType type;
  bool complex = false;  // real and imaginary parts, in another last dimension of 2
};

Status CarrierOf(DataType type, Carrier* carrier) {
  const auto kind = [&](int code, int bits, bool complex = false) {
    *carrier = {{static_cast<uint8_t>(code), static_cast<uint8_t>(bits), 1}, complex};
    return absl::OkStatus();
  };
  switch (type) {
    case tensorflow::DT_BOOL: return kind(kDLBool, 8);
    case tensorflow::DT_INT8: return kind(kDLInt, 8);
    case tensorflow::DT_INT16: return kind(kDLInt, 16);
    case tensorflow::DT_INT32: return kind(kDLInt, 32);
    case tensorflow::DT_INT64: return kind(kDLInt, 64);
    case tensorflow::DT_UINT8:
    case tensorflow::DT_FLOAT8_E5M2:
    case tensorflow::DT_FLOAT8_E4M3FN: return kind(kDLUInt, 8);
    case tensorflow::DT_UINT16:
    case tensorflow::DT_BFLOAT16: return kind(kDLUInt, 16);
    case tensorflow::DT_UINT32: return kind(kDLUInt, 32);
    case tensorflow::DT_UINT64: return kind(kDLUInt, 64);
    case tensorflow::DT_HALF: return kind(kDLFloat, 16);
    case tensorflow::DT_FLOAT: return kind(kDLFloat, 32);
    case tensorflow::DT_DOUBLE: return kind(kDLFloat, 64);
    case tensorflow::DT_COMPLEX64: return kind(kDLFloat, 32, true);
    case tensorflow::DT_COMPLEX128: return kind(kDLFloat, 64, true);
    default: return absl::InvalidArgumentError(absl::StrCat("TVM has no ", tensorflow::DataTypeString(type)));
  }
}

// A tensor of TensorFlow in TVM's hands, which keeps its memory alive.
struct Lent {
  Tensor tensor;
  std::vector<int64_t> shape;
  DLManagedTensor managed;
};

void ReleaseLent(DLManagedTensor* managed) { delete static_cast<Lent*>(managed->manager_ctx); }

Status Lend(OpKernelContext* context, const Api* api, Tensor tensor, Value* value) {
  alignas(kAlignment) static char nothing[kAlignment];  // compiled code wants an address of empty tensors as well
  Carrier carrier;
  TF_RETURN_IF_ERROR(CarrierOf(tensor.dtype(), &carrier));
  const size_t bytes = tensor.TotalBytes();
  if (bytes > 0 && reinterpret_cast<uintptr_t>(tensor.data()) % kAlignment != 0) {
    Tensor aligned;
    TF_RETURN_IF_ERROR(context->allocate_temp(tensor.dtype(), tensor.shape(), &aligned));
    std::memcpy(aligned.data(), tensor.data(), bytes);
    tensor = std::move(aligned);
  }
  auto lent = std::make_unique<Lent>();
  for (const auto& dimension : tensor.shape()) lent->shape.push_back(dimension.size);
  if (carrier.complex) lent->shape.push_back(2);
  DLTensor& view = lent->managed.dl_tensor;
  view = {bytes > 0 ? tensor.data() : nothing, {kDLCPU, 0}, static_cast<int32_t>(lent->shape.size()), carrier.type,
          lent->shape.data(), nullptr, 0};
  lent->tensor = std::move(tensor);
  lent->managed.manager_ctx = lent.get();
  lent->managed.deleter = ReleaseLent;
  return api->Borrow(&lent.release()->managed, value);
}

// The memory of a result, which stays TVM's. TensorFlow must not write to it, as it does to memory that it owns alone:
// it may also be that of an argument, of a constant or of another result.
class ResultBuffer : public tensorflow::TensorBuffer {
 public:
  ResultBuffer(Value value, void* data, size_t size) : TensorBuffer(data), value_(std::move(value)), size_(size) {}
  size_t size() const override { return size_; }
  TensorBuffer* root_buffer() override { return this; }
  bool OwnsMemory() const override { return false; }
  void FillAllocationDescription(tensorflow::AllocationDescription* description) const override {
    description->set_requested_bytes(static_cast<int64_t>(size_));
    description->set_allocator_name("tvm");
  }

 private:
  Value value_;
  size_t size_;
};

std::string Printed(const DLTensor& tensor) {
  return absl::StrCat("type (", tensor.dtype.code, ", ", tensor.dtype.bits, ") of DLPack and shape [",
                      absl::StrJoin(absl::MakeSpan(tensor.shape, tensor.ndim), ","), "]");
}

bool Contiguous(const DLTensor& tensor) {
  int64_t expected = 1;
  for (int i = tensor.ndim; tensor.strides != nullptr && i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return expected == 0;
    expected *= tensor.shape[i];
  }
  return true;
}

// The shape that a result has as one of TensorFlow's.
Status ResultShape(const DLTensor& tensor, DataType type, TensorShape* shape) {
  Carrier carrier;
  TF_RETURN_IF_ERROR(CarrierOf(type, &carrier));
  const int rank = tensor.ndim - (carrier.complex ? 1 : 0);
  const bool fits = rank >= 0 && (!carrier.complex || tensor.shape[rank] == 2) && tensor.dtype.lanes == 1 &&
                    tensor.dtype.code == carrier.type.code && tensor.dtype.bits == carrier.type.bits;
  if (!fits || tensor.device.device_type != kDLCPU || !Contiguous(tensor)) {
    return absl::InternalError(absl::StrCat("the library returned ", Printed(tensor), " where the operation says ",
                                            tensorflow::DataTypeString(type)));
  }
  return TensorShape::BuildTensorShape(absl::MakeSpan(tensor.shape, rank), shape);
}

// Copies the first rows, in every dimension, of memory with dimensions `from` to memory with dimensions `to`.
void CopyBlock(const char* source, const TensorShape& from, char* target, const TensorShape& to, size_t element) {
  std::vector<int64_t> position(to.dims());
  int inner = to.dims();  // dimensions from here on are copied in one
  size_t bytes = element;
  while (inner > 0 && from.dim_size(inner - 1) == to.dim_size(inner - 1)) bytes *= to.dim_size(--inner);
  if (inner > 0) bytes *= to.dim_size(--inner);
  const size_t whole = inner < from.dims() ? bytes / std::max<int64_t>(to.dim_size(inner), 1) * from.dim_size(inner)
                                           : bytes;
  for (const char* end = target + to.num_elements() * element; target < end; target += bytes) {
    int64_t row = 0;
    for (int i = 0; i < inner; ++i) row = row * from.dim_size(i) + position[i];
    std::memcpy(target, source + row * whole, bytes);
    for (int i = inner; i-- > 0 && ++position[i] == to.dim_size(i);) position[i] = 0;
  }
}

// ---- The operation

struct Cut {
  int64_t result, dimension, size;
};

class TvmCluster : public tensorflow::OpKernel {
 public:
  explicit TvmCluster(OpKernelConstruction* context) : OpKernel(context) {
    const Status made = Prepare(context);
    OP_REQUIRES(context, made.ok(), Explained(made));
  }

  void Compute(OpKernelContext* context) override {
    const Status done = Run(context);
    OP_REQUIRES(context, done.ok(), Explained(done));
  }

 private:
  Status Prepare(OpKernelConstruction* context);
  Status Run(OpKernelContext* context);
  Status Arguments(OpKernelContext* context, std::vector<Value>* arguments) const;
  Status Sizes(const Tensor& numbers, Value* shape) const;
  Status Flatten(Value value, std::vector<Value>* results) const;
  Status Result(OpKernelContext* context, int number, std::vector<Value>* results, Tensor* output) const;
  Status WithinSizes(int number, const std::vector<Value>& results, TensorShape* shape) const;
  Status Explained(const Status& status) const {
    return Status(status.code(), absl::StrCat("TvmCluster ", label_, " (", path_, "): ", status.message()));
  }

  std::string label_, path_;
  std::shared_ptr<Library> library_;
  std::vector<tensorflow::PartialTensorShape> shapes_;
  std::vector<Cut> cuts_;
  size_t result_count_ = 0;  // of main: outputs and the sizes of cuts
  bool sizes_ = false;
};

Status TvmCluster::Prepare(OpKernelConstruction* context) {
  std::vector<std::string> runtime;
  std::vector<int64_t> cuts;
  TF_RETURN_IF_ERROR(context->GetAttr("label", &label_));
  TF_RETURN_IF_ERROR(context->GetAttr("library", &path_));
  TF_RETURN_IF_ERROR(context->GetAttr("runtime", &runtime));
  TF_RETURN_IF_ERROR(context->GetAttr("output_shapes", &shapes_));
  TF_RETURN_IF_ERROR(context->GetAttr("cuts", &cuts));
  TF_RETURN_IF_ERROR(context->GetAttr("sizes", &sizes_));
  const int64_t outputs = num_outputs();
  result_count_ = outputs;
  for (size_t i = 0; i + 2 < cuts.size(); i += 3) {
    cuts_.push_back({cuts[i], cuts[i + 1], cuts[i + 2]});
    const Cut& cut = cuts_.back();
    if (cut.result < 0 || cut.result >= outputs || cut.dimension < 0 || cut.size < outputs) {
      return absl::InvalidArgumentError("cuts are not (output, dimension, number of a result behind the outputs)");
    }
    result_count_ = std::max<size_t>(result_count_, cut.size + 1);
  }
  if (cuts.size() % 3 != 0 || (!shapes_.empty() && shapes_.size() != static_cast<size_t>(outputs))) {
    return absl::InvalidArgumentError("cuts are no triples, or output_shapes are not as many as Tout");
  }
  const Api* api = nullptr;
  TF_RETURN_IF_ERROR(Api::Get(runtime, &api));
  return Library::Open(api, path_, &library_);
}

Status TvmCluster::Run(OpKernelContext* context) {
  const Api* api = library_->api();
  std::vector<Value> arguments, results;
  TF_RETURN_IF_ERROR(Arguments(context, &arguments));
  std::vector<TVMFFIAny> given;
  given.reserve(arguments.size());
  for (const Value& argument : arguments) given.push_back(argument.any());

  std::unique_ptr<Machine> machine;
  TF_RETURN_IF_ERROR(library_->Take(&machine));
  Value value;
  {
    const PlainFloats floats;
    const Workers before = std::exchange(
        current_workers, {api, context->device()->tensorflow_cpu_worker_threads()->workers});
    const Status called = api->Call(machine->main.any(), given, &value);
    current_workers = before;
    // where a machine that failed stopped is unknown, so it is not used again
    TF_RETURN_IF_ERROR(called);
  }
  library_->GiveBack(std::move(machine));

  TF_RETURN_IF_ERROR(Flatten(std::move(value), &results));
  if (results.size() != result_count_) {
    return absl::InternalError(absl::StrCat("the library returned ", results.size(), " arrays, not ", result_count_));
  }
  for (int i = 0; i < num_outputs(); ++i) {
    Tensor output;
    TF_RETURN_IF_ERROR(Result(context, i, &results, &output));
    context->set_output(i, std::move(output));
  }
  return absl::OkStatus();
}

Status TvmCluster::Arguments(OpKernelContext* context, std::vector<Value>* arguments) const {
  arguments->resize(context->num_inputs());
  for (int i = 0; i < context->num_inputs(); ++i) {
    const Tensor& input = context->input(i);
    Value* argument = &(*arguments)[i];
    TF_RETURN_IF_ERROR(sizes_ && i == 0 ? Sizes(input, argument) : Lend(context, library_->api(), input, argument));
  }
  return absl::OkStatus();
}

Status TvmCluster::Sizes(const Tensor& numbers, Value* shape) const {
  if (numbers.dtype() != tensorflow::DT_INT64 || numbers.dims() != 1) {
    return absl::InvalidArgumentError("sizes are not a vector of int64");
  }
  std::vector<TVMFFIAny> given;
  for (int64_t i = 0; i < numbers.NumElements(); ++i) given.push_back(Integer(numbers.flat<int64_t>()(i)));
  return library_->api()->Call(library_->api()->shape.any(), given, shape);
}

// The tensors of nested tuples, depth first.
Status TvmCluster::Flatten(Value value, std::vector<Value>* results) const {
  if (value.is(kTVMFFITensor)) {
    results->push_back(std::move(value));
    return absl::OkStatus();
  }
  if (!value.is(kTVMFFIArray)) return absl::InternalError("the library returned what is no tensor and no tuple");
  const Api* api = library_->api();
  Value count;
  TF_RETURN_IF_ERROR(api->Call(api->array_size.any(), {value.any()}, &count));
  for (int64_t i = 0; i < count.any().v_int64; ++i) {
    Value part;
    TF_RETURN_IF_ERROR(api->Call(api->array_item.any(), {value.any(), Integer(i)}, &part));
    TF_RETURN_IF_ERROR(Flatten(std::move(part), results));
  }
  return absl::OkStatus();
}

Status TvmCluster::Result(OpKernelContext* context, int number, std::vector<Value>* results, Tensor* output) const {
  Value& value = (*results)[number];
  const DLTensor& tensor = *value.tensor();
  const DataType type = output_type(number);
  TensorShape whole;
  TF_RETURN_IF_ERROR(ResultShape(tensor, type, &whole));
  TensorShape shape = whole;
  TF_RETURN_IF_ERROR(WithinSizes(number, *results, &shape));
  if (!shapes_.empty() && !shapes_[number].IsCompatibleWith(shape)) {
    return absl::InternalError(absl::StrCat("output ", number, " is ", shape.DebugString(), ", not ",
                                            shapes_[number].DebugString()));
  }
  const size_t element = tensorflow::DataTypeSize(type), bytes = shape.num_elements() * element;
  char* data = static_cast<char*>(tensor.data) + tensor.byte_offset;
  if (bytes > 0 && shape == whole && reinterpret_cast<uintptr_t>(data) % kAlignment == 0) {
    tensorflow::core::RefCountPtr<tensorflow::TensorBuffer> buffer(new ResultBuffer(std::move(value), data, bytes));
    *output = Tensor(type, shape, std::move(buffer));
    return absl::OkStatus();
  }
  TF_RETURN_IF_ERROR(context->allocate_temp(type, shape, output));
  if (bytes > 0) CopyBlock(data, whole, static_cast<char*>(output->data()), shape, element);
  return absl::OkStatus();
}

// The shape of an output without what lies behind the sizes that the call has told.
Status TvmCluster::WithinSizes(int number, const std::vector<Value>& results, TensorShape* shape) const {
  for (const Cut& cut : cuts_) {
    if (cut.result != number) continue;
    const DLTensor& told = *results[cut.size].tensor();
    const char* data = static_cast<const char*>(told.data) + told.byte_offset;
    int64_t size = -1;
    if (told.ndim == 0 && told.dtype.code == kDLInt && told.dtype.bits == 32) {
      int32_t narrow;
      std::memcpy(&narrow, data, sizeof narrow);
      size = narrow;
    } else if (told.ndim == 0 && told.dtype.code == kDLInt && told.dtype.bits == 64) {
      std::memcpy(&size, data, sizeof size);
    }
    if (cut.dimension >= shape->dims() || size < 0 || size > shape->dim_size(cut.dimension)) {
      return absl::InternalError(absl::StrCat("dimension ", cut.dimension, " of output ", number, ", ",
                                              shape->DebugString(), ", cannot be cut to ", size));
    }
    shape->set_dim(cut.dimension, size);
  }
  return absl::OkStatus();
}

Status InferShapes(tensorflow::shape_inference::InferenceContext* context) {
  std::vector<tensorflow::PartialTensorShape> shapes;
  TF_RETURN_IF_ERROR(context->GetAttr("output_shapes", &shapes));
  if (!shapes.empty() && shapes.size() != static_cast<size_t>(context->num_outputs())) {
    return absl::InvalidArgumentError("output_shapes are not as many as Tout");
  }
  for (int i = 0; i < context->num_outputs(); ++i) {
    tensorflow::shape_inference::ShapeHandle shape = context->UnknownShape();
    if (!shapes.empty()) TF_RETURN_IF_ERROR(context->MakeShapeFromPartialTensorShape(shapes[i], &shape));
    context->set_output(i, shape);
  }
  return absl::OkStatus();
}

// Stateless, for it is a function of its inputs: tf.function does not order its clusters one behind the other, and
// tf.data takes them. That TensorFlow may merge equal ones and compute those of constants once is right, too.
REGISTER_OP("TvmCluster")
    .Input("inputs: Tin")
    .Output("outputs: Tout")
    .Attr("library: string")
    .Attr("runtime: list(string)")
    .Attr("Tin: list(type) >= 0")
    .Attr("Tout: list(type) >= 1")
    .Attr("output_shapes: list(shape) = []")
    .Attr("cuts: list(int) = []")
    .Attr("sizes: bool = false")
    .Attr("label: string = ''")
    .SetShapeFn(InferShapes)
    .Doc("Runs main of a library that TVM's Relax exported. With `sizes` the first input becomes main's parameter for "
         "sizes. Outputs are cut to sizes that main returns: `cuts` are (output, dimension, number of the result).");

REGISTER_KERNEL_BUILDER(Name("TvmCluster").Device(tensorflow::DEVICE_CPU), TvmCluster);

}  // namespace
}  // namespace tvm_hlo_frontend
