// TensorFlow operation TvmCluster: runs a library that TVM's Relax compiled and exported.

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "tensorflow/core/framework/allocation_description.pb.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tvm_runtime.h"

namespace tvm_hlo_frontend {
namespace {

using absl::Status;
using absl::StrCat;
using tensorflow::DataType;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

// what vector instructions of compiled code may need, and TensorFlow's Eigen
constexpr uintptr_t kAlignment = 64;

bool Aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % kAlignment == 0; }

// ---- Tensors

// What elements of a type are to TVM, as hlo/ir/storage.py has it: the same memory. Of complex ones real and imaginary
// parts, in another last dimension of 2.
DLDataType StoredAs(DataType type) {
  static const auto* rows = new std::map<DataType, std::pair<int, int>>{
      {tensorflow::DT_BOOL, {kDLBool, 8}},        {tensorflow::DT_HALF, {kDLFloat, 16}},
      {tensorflow::DT_INT8, {kDLInt, 8}},         {tensorflow::DT_FLOAT, {kDLFloat, 32}},
      {tensorflow::DT_INT16, {kDLInt, 16}},       {tensorflow::DT_DOUBLE, {kDLFloat, 64}},
      {tensorflow::DT_INT32, {kDLInt, 32}},       {tensorflow::DT_COMPLEX64, {kDLFloat, 32}},
      {tensorflow::DT_INT64, {kDLInt, 64}},       {tensorflow::DT_COMPLEX128, {kDLFloat, 64}},
      {tensorflow::DT_UINT8, {kDLUInt, 8}},       {tensorflow::DT_BFLOAT16, {kDLUInt, 16}},
      {tensorflow::DT_UINT16, {kDLUInt, 16}},     {tensorflow::DT_FLOAT8_E5M2, {kDLUInt, 8}},
      {tensorflow::DT_UINT32, {kDLUInt, 32}},     {tensorflow::DT_FLOAT8_E4M3FN, {kDLUInt, 8}},
      {tensorflow::DT_UINT64, {kDLUInt, 64}},
  };
  const auto found = rows->find(type);
  if (found == rows->end()) Fail(StatusCode::kInvalidArgument, "TVM has no ", DataTypeString(type));
  return {static_cast<uint8_t>(found->second.first), static_cast<uint8_t>(found->second.second), 1};
}

bool IsComplex(DataType type) { return type == tensorflow::DT_COMPLEX64 || type == tensorflow::DT_COMPLEX128; }

// A tensor of TensorFlow in TVM's hands, which keep its memory.
struct Lent {
  Tensor tensor;
  std::vector<int64_t> shape;
  DLManagedTensor managed;
};

Object Lend(OpKernelContext* context, const Tvm& tvm, const Tensor& tensor) {
  alignas(kAlignment) static char nothing[kAlignment];  // compiled code wants an address of empty tensors as well
  const DLDataType stored = StoredAs(tensor.dtype());
  auto lent = std::make_unique<Lent>(Lent{tensor, {}, {}});
  if (!Aligned(tensor.data()) && tensor.TotalBytes() > 0) {
    Check(context->allocate_temp(tensor.dtype(), tensor.shape(), &lent->tensor));
    std::memcpy(lent->tensor.data(), tensor.data(), tensor.TotalBytes());
  }
  for (const auto& dimension : tensor.shape()) lent->shape.push_back(dimension.size);
  if (IsComplex(tensor.dtype())) lent->shape.push_back(2);
  void* data = tensor.TotalBytes() > 0 ? lent->tensor.data() : nothing;
  const auto rank = static_cast<int32_t>(lent->shape.size());
  const auto release = [](DLManagedTensor* managed) { delete static_cast<Lent*>(managed->manager_ctx); };
  lent->managed = {{data, {kDLCPU, 0}, rank, stored, lent->shape.data(), nullptr, 0}, lent.get(), release};
  Object lent_tensor = tvm.Borrow(&lent->managed);
  lent.release();
  return lent_tensor;
}

// The memory of a result, which stays TVM's. TensorFlow computes in place in memory that it alone owns; here it must
// not: it may be that of an argument, of a constant or of another result.
class ResultBuffer : public tensorflow::TensorBuffer {
 public:
  ResultBuffer(Object tensor, size_t size) : TensorBuffer(DataOf(tensor)), tensor_(std::move(tensor)), size_(size) {}
  size_t size() const override { return size_; }
  TensorBuffer* root_buffer() override { return this; }
  bool OwnsMemory() const override { return false; }
  void FillAllocationDescription(tensorflow::AllocationDescription* description) const override {
    description->set_requested_bytes(static_cast<int64_t>(size_));
    description->set_allocator_name("tvm");
  }

 private:
  Object tensor_;
  size_t size_;
};

// The shape of a result as a tensor of TensorFlow's `type`. TVM's results are contiguous.
TensorShape ShapeOf(const DLTensor& tensor, DataType type) {
  const DLDataType stored = StoredAs(type);
  const int rank = tensor.ndim - (IsComplex(type) ? 1 : 0);
  if (tensor.dtype.code != stored.code || tensor.dtype.bits != stored.bits || tensor.dtype.lanes != 1 || rank < 0 ||
      (rank < tensor.ndim && tensor.shape[rank] != 2)) {
    Fail(StatusCode::kInternal, "the library returned an array of DLPack's type (", tensor.dtype.code, ", ",
         tensor.dtype.bits, ") and shape [", absl::StrJoin(absl::MakeSpan(tensor.shape, tensor.ndim), ","),
         "] for one of ", DataTypeString(type));
  }
  TensorShape shape;
  Check(TensorShape::BuildTensorShape(absl::MakeSpan(tensor.shape, rank), &shape));
  return shape;
}

// Copies the first rows, in all dimensions from `first` on, of memory with dimensions `from` to such with `to`.
char* CopyRows(const char* source, const TensorShape& from, char* target, const TensorShape& to, size_t element,
               int first = 0) {
  bool equal = true;  // in the dimensions behind this one
  size_t row = element;
  for (int i = first + 1; i < from.dims(); ++i) {
    equal = equal && from.dim_size(i) == to.dim_size(i);
    row *= from.dim_size(i);
  }
  if (equal) {
    const size_t bytes = row * (to.dims() == 0 ? 1 : to.dim_size(first));
    std::memcpy(target, source, bytes);
    return target + bytes;
  }
  for (int64_t i = 0; i < to.dim_size(first); ++i) {
    target = CopyRows(source + i * row, from, target, to, element, first + 1);
  }
  return target;
}

// ---- The operation

struct Cut {
  int64_t output, dimension, size;
};

class TvmCluster : public tensorflow::OpKernel {
 public:
  explicit TvmCluster(OpKernelConstruction* context) : OpKernel(context) {
    Guarded(context, [&] { Prepare(context); });
  }

  void Compute(OpKernelContext* context) override {
    Guarded(context, [&] { Run(context); });
  }

 private:
  template <typename Context, typename Action>
  void Guarded(Context* context, const Action& action) const {
    try {
      action();
    } catch (const Failure& failure) {
      const std::string message = StrCat("TvmCluster ", label_, ": ", failure.status.message());
      context->CtxFailure(Status(failure.status.code(), message));
    }
  }

  void Prepare(OpKernelConstruction* context);
  void Run(OpKernelContext* context);
  std::shared_ptr<Library> LibraryAt(const Tensor& path);
  Object Argument(OpKernelContext* context, const Tvm& tvm, int number) const;
  void Flatten(const Tvm& tvm, Object value, std::vector<Object>* results) const;
  void Output(OpKernelContext* context, int number, std::vector<Object>* results) const;
  TensorShape Shortened(TensorShape shape, int number, const std::vector<Object>& results) const;

  std::string label_;
  std::mutex opening_;
  std::string path_;  // of the library, which is opened when the first call says where it is
  std::shared_ptr<Library> library_;
  std::vector<tensorflow::PartialTensorShape> shapes_;
  std::vector<Cut> cuts_;
  int64_t results_ = 0;  // of main: outputs and sizes of cuts
  bool sizes_ = false;
};

void TvmCluster::Prepare(OpKernelConstruction* context) {
  std::vector<int64_t> cuts;
  Check(context->GetAttr("label", &label_));
  Check(context->GetAttr("output_shapes", &shapes_));
  Check(context->GetAttr("cuts", &cuts));
  Check(context->GetAttr("sizes", &sizes_));
  bool right = cuts.size() % 3 == 0;
  results_ = num_outputs();
  for (size_t i = 0; right && i < cuts.size(); i += 3) {
    const Cut cut{cuts[i], cuts[i + 1], cuts[i + 2]};
    right = 0 <= cut.output && cut.output < num_outputs() && 0 <= cut.dimension && num_outputs() <= cut.size;
    results_ = std::max(results_, cut.size + 1);
    cuts_.push_back(cut);
  }
  if (!right) Fail(StatusCode::kInvalidArgument, "cuts are no triples of output, dimension, result behind the outputs");
}

// Behind a path that is an input, a SavedModel can have the library among its files.
std::shared_ptr<Library> TvmCluster::LibraryAt(const Tensor& path) {
  if (path.dims() != 0) Fail(StatusCode::kInvalidArgument, "library, the first input, is not one path");
  // as a list of strings: the shared libraries that this operation was compiled for
  static const auto* runtime = new std::vector<std::string>{TVM_RUNTIME};
  const auto& text = path.scalar<tensorflow::tstring>()();
  std::lock_guard<std::mutex> lock(opening_);
  if (library_ == nullptr || text != path_) {
    library_ = Library::Open(Tvm::Get(*runtime), text);
    path_ = text;
  }
  return library_;
}

void TvmCluster::Run(OpKernelContext* context) {
  const std::shared_ptr<Library> library = LibraryAt(context->input(0));
  const Tvm& tvm = library->tvm();
  std::vector<Object> arguments, results;
  std::vector<TVMFFIAny> given;
  for (int i = 1; i < num_inputs(); ++i) {
    arguments.push_back(Argument(context, tvm, i));
    given.push_back(View(arguments.back()));
  }
  {
    const Running running({&tvm, context->device()->tensorflow_cpu_worker_threads()->workers});
    Machine machine = library->Take();
    Object value = tvm.Call(machine.main, given);
    library->GiveBack(std::move(machine));  // unless it failed: where it stopped is unknown
    Flatten(tvm, std::move(value), &results);
  }
  if (static_cast<int64_t>(results.size()) != results_) {
    Fail(StatusCode::kInternal, "the library returned ", results.size(), " arrays, not ", results_);
  }
  for (int i = 0; i < num_outputs(); ++i) Output(context, i, &results);
}

Object TvmCluster::Argument(OpKernelContext* context, const Tvm& tvm, int number) const {
  const Tensor& input = context->input(number);
  if (!sizes_ || number > 1) return Lend(context, tvm, input);
  if (input.dtype() != tensorflow::DT_INT64) Fail(StatusCode::kInvalidArgument, "sizes, the first of inputs, are no int64");
  std::vector<TVMFFIAny> sizes;
  for (int64_t i = 0; i < input.NumElements(); ++i) sizes.push_back(Number(input.flat<int64_t>()(i)));
  return tvm.Call(tvm.shape, sizes);
}

// The arrays of nested tuples, depth first.
void TvmCluster::Flatten(const Tvm& tvm, Object value, std::vector<Object>* results) const {
  if (value != nullptr && value->type_index == kTVMFFITensor) return results->push_back(std::move(value));
  if (value == nullptr || value->type_index != kTVMFFIArray) {
    Fail(StatusCode::kInternal, "the library returned what is no array and no tuple");
  }
  const auto* cell = reinterpret_cast<const TVMFFISeqCell*>(value.get() + 1);
  const auto* parts = static_cast<const TVMFFIAny*>(cell->data);
  for (int64_t i = 0; i < cell->size; ++i) {
    const bool object = parts[i].type_index >= kTVMFFIStaticObjectBegin;
    if (object) tvm.retain(parts[i].v_obj);
    Flatten(tvm, tvm.Own(object ? parts[i].v_obj : nullptr), results);
  }
}

void TvmCluster::Output(OpKernelContext* context, int number, std::vector<Object>* results) const {
  Object& result = (*results)[number];
  const DataType type = output_type(number);
  const TensorShape whole = ShapeOf(TensorOf(result), type), shape = Shortened(whole, number, *results);
  if (!shapes_.empty() && !shapes_[number].IsCompatibleWith(shape)) {
    const std::string wanted = shapes_[number].DebugString();
    Fail(StatusCode::kInternal, "output ", number, " has the shape ", shape.DebugString(), ", not ", wanted);
  }
  const size_t element = DataTypeSize(type), bytes = shape.num_elements() * element;
  if (bytes > 0 && shape == whole && Aligned(DataOf(result))) {
    tensorflow::core::RefCountPtr<tensorflow::TensorBuffer> buffer(new ResultBuffer(std::move(result), bytes));
    context->set_output(number, Tensor(type, shape, std::move(buffer)));
    return;
  }
  Tensor* copy = nullptr;
  Check(context->allocate_output(number, shape, &copy));
  if (bytes > 0) CopyRows(DataOf(result), whole, static_cast<char*>(copy->data()), shape, element);
}

// The shape of an output within the sizes that the call has told.
TensorShape TvmCluster::Shortened(TensorShape shape, int number, const std::vector<Object>& results) const {
  for (const Cut& cut : cuts_) {
    if (cut.output != number) continue;
    const DLTensor& told = TensorOf(results[cut.size]);
    int64_t size = -1;  // of 32 or 64 bits, the lower ones first
    if (told.ndim == 0 && told.dtype.code == kDLInt && told.dtype.bits >= 32) {
      size = 0;
      std::memcpy(&size, DataOf(results[cut.size]), told.dtype.bits / 8);
    }
    if (cut.dimension >= shape.dims() || size < 0 || size > shape.dim_size(cut.dimension)) {
      Fail(StatusCode::kInternal, "output ", number, " is ", shape.DebugString(), " and cannot be cut in dimension ",
           cut.dimension, " to ", size);
    }
    shape.set_dim(cut.dimension, size);
  }
  return shape;
}

Status InferShapes(tensorflow::shape_inference::InferenceContext* context) {
  std::vector<tensorflow::PartialTensorShape> shapes;
  TF_RETURN_IF_ERROR(context->GetAttr("output_shapes", &shapes));
  if (!shapes.empty() && shapes.size() != static_cast<size_t>(context->num_outputs())) {
    return absl::InvalidArgumentError("output_shapes of TvmCluster are not as many as Tout");
  }
  for (int i = 0; i < context->num_outputs(); ++i) {
    auto shape = context->UnknownShape();
    if (!shapes.empty()) TF_RETURN_IF_ERROR(context->MakeShapeFromPartialTensorShape(shapes[i], &shape));
    context->set_output(i, shape);
  }
  return absl::OkStatus();
}

// Not stateful, for it is a function of its inputs: tf.function need not run clusters one behind the other, tf.data
// takes them, and that equal ones may be merged and those of constants be computed once is right.
REGISTER_OP("TvmCluster")
    .Input("library: string")
    .Input("inputs: Tin")
    .Output("outputs: Tout")
    .Attr("Tin: list(type) >= 0")
    .Attr("Tout: list(type) >= 1")
    .Attr("output_shapes: list(shape) = []")
    .Attr("cuts: list(int) = []")
    .Attr("sizes: bool = false")
    .Attr("label: string = ''")
    .SetShapeFn(InferShapes);

REGISTER_KERNEL_BUILDER(Name("TvmCluster").Device(tensorflow::DEVICE_CPU), TvmCluster);

}  // namespace
}  // namespace tvm_hlo_frontend
