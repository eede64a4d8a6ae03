// TVM in a process of TensorFlow: its runtime, libraries that Relax exported, and their parallel loops.
//
// TVM is reached through its C interface alone, looked up at run time; nothing here links against it. TVM and
// TensorFlow must not see each other's symbols (both may hold an LLVM), so TVM's libraries stay local. Only the one
// with the C interface, which is small and has no LLVM, becomes global: exported code looks there for its symbols.

#ifndef TVM_HLO_FRONTEND_HYBRID_BRIDGE_TVM_RUNTIME_H_
#define TVM_HLO_FRONTEND_HYBRID_BRIDGE_TVM_RUNTIME_H_

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "tensorflow/core/platform/threadpool.h"
#include "tvm/ffi/c_api.h"

namespace tvm_hlo_frontend {

using absl::StatusCode;
using tensorflow::thread::ThreadPool;

// of TVM's memory manager, as Python's relax.VirtualMachine has it
constexpr int64_t kPooledAllocator = 2;

// Thrown here and caught by the operation, which tells TensorFlow; no other code is in between.
struct Failure {
  absl::Status status;
};

template <typename... Parts>
[[noreturn]] void Fail(StatusCode code, const Parts&... parts) {
  throw Failure{absl::Status(code, absl::StrCat(parts...))};
}

inline void Check(const absl::Status& status) {
  if (!status.ok()) throw Failure{status};
}

// ---- TVM's C interface

using ParallelTask = int (*)(int number, void* environment, void* data);
using ParallelLaunch = int (*)(ParallelTask task, void* data, int tasks);
// A reference to one of TVM's objects.
using Object = std::unique_ptr<TVMFFIObject, decltype(&TVMFFIObjectDecRef)>;

inline TVMFFIAny Any(int32_t type, int64_t value) {
  TVMFFIAny any{};
  any.type_index = type;
  any.v_int64 = value;
  return any;
}

inline TVMFFIAny Number(int64_t value) { return Any(kTVMFFIInt, value); }
inline TVMFFIAny Text(const std::string& text) { return Any(kTVMFFIRawStr, reinterpret_cast<int64_t>(text.c_str())); }
inline TVMFFIAny View(const Object& object) { return Any(object->type_index, reinterpret_cast<int64_t>(object.get())); }

inline const DLTensor& TensorOf(const Object& object) { return *TVMFFITensorGetDLTensorPtr(object.get()); }
inline char* DataOf(const Object& object) {
  return static_cast<char*>(TensorOf(object).data) + TensorOf(object).byte_offset;
}

// The functions of a TVM in this process. It stays as long as the process: TVM's objects may outlive all kernels.
class Tvm {
 public:
  // Paths of its libraries, in the order in which they need each other.
  static const Tvm& Get(const std::vector<std::string>& paths) {
    static auto* mutex = new std::mutex;
    static auto* loaded = new std::map<std::vector<std::string>, std::unique_ptr<Tvm>>;
    std::lock_guard<std::mutex> lock(*mutex);
    std::unique_ptr<Tvm>& tvm = (*loaded)[paths];
    if (tvm == nullptr) tvm.reset(new Tvm(paths));
    return *tvm;
  }

  Object Own(TVMFFIObjectHandle handle) const { return Object(static_cast<TVMFFIObject*>(handle), release); }

  // What a function returns, if that is an object.
  Object Call(const Object& function, absl::Span<const TVMFFIAny> arguments) const {
    TVMFFIAny result{};
    auto* given = const_cast<TVMFFIAny*>(arguments.data());  // it changes none
    if (call(function.get(), given, static_cast<int32_t>(arguments.size()), &result) != 0) FailAsRaised();
    return Own(result.type_index >= kTVMFFIStaticObjectBegin ? result.v_obj : nullptr);
  }

  Object Method(const Object& module, const char* name) const {
    Object function = Call(get_function, {View(module), Text(name), Any(kTVMFFIBool, false)});
    if (function == nullptr) Fail(StatusCode::kInvalidArgument, "no library that Relax exported: it has no ", name);
    return function;
  }

  Object Borrow(DLManagedTensor* managed) const {
    TVMFFIObjectHandle tensor = nullptr;
    if (from_dlpack(managed, /*require_alignment=*/0, /*require_contiguous=*/1, &tensor) != 0) FailAsRaised();
    return Own(tensor);
  }

  decltype(&TVMFFIObjectDecRef) release;
  decltype(&TVMFFIObjectIncRef) retain;
  decltype(&TVMFFIErrorMoveFromRaised) take_error;
  decltype(&TVMFFIErrorSetRaised) set_error;
  ParallelLaunch launch;
  Object load_module{nullptr, nullptr}, get_function{nullptr, nullptr}, shape{nullptr, nullptr};

 private:
  explicit Tvm(const std::vector<std::string>& paths);

  Object Global(const std::string& name) const {
    const TVMFFIByteArray text{name.data(), name.size()};
    TVMFFIObjectHandle function = nullptr;
    if (get_global(&text, &function) != 0) FailAsRaised();
    if (function == nullptr) Fail(StatusCode::kNotFound, "TVM has no function ", name);
    return Own(function);
  }

  // Fails with the error that TVM has raised in this thread.
  [[noreturn]] void FailAsRaised() const {
    TVMFFIObjectHandle raised = nullptr;
    take_error(&raised);
    if (raised == nullptr) Fail(StatusCode::kInternal, "TVM failed without a message");
    const Object error = Own(raised);
    const TVMFFIErrorCell& cell = *TVMFFIErrorGetCellPtr(raised);
    Fail(StatusCode::kInternal, absl::string_view(cell.kind.data, cell.kind.size), ": ",
         absl::string_view(cell.message.data, cell.message.size));
  }

  decltype(&TVMFFIFunctionCall) call;
  decltype(&TVMFFIFunctionGetGlobal) get_global;
  decltype(&TVMFFITensorFromDLPack) from_dlpack;
};

// The library at a path; by its name alone where one of that name is loaded already (a second copy of TVM would not
// know the objects of the first), or where the path is none of this machine.
inline void* OpenRuntime(const std::string& path) {
  std::string reasons;
  for (const int known : {RTLD_NOLOAD, 0}) {
    for (const std::string& each : {path, path.substr(path.rfind('/') + 1)}) {
      if (void* handle = dlopen(each.c_str(), RTLD_NOW | RTLD_LOCAL | known)) return handle;
      if (known == 0) absl::StrAppend(&reasons, "; ", dlerror());
    }
  }
  Fail(StatusCode::kNotFound, "TVM's runtime cannot be loaded", reasons);
}

inline Tvm::Tvm(const std::vector<std::string>& paths) {
  std::vector<void*> handles;
  for (const std::string& path : paths) handles.push_back(OpenRuntime(path));
  const auto find = [&](const char* name, auto* function) {
    for (void* handle : handles) {
      *function = reinterpret_cast<std::remove_reference_t<decltype(*function)>>(dlsym(handle, name));
      if (*function != nullptr) return;
    }
    Fail(StatusCode::kNotFound, absl::StrJoin(paths, ", "), " have no ", name, "; they must be those of TVM 0.27");
  };
  find("TVMFFIFunctionCall", &call);
  find("TVMFFIFunctionGetGlobal", &get_global);
  find("TVMFFITensorFromDLPack", &from_dlpack);
  find("TVMFFIObjectDecRef", &release);
  find("TVMFFIObjectIncRef", &retain);
  find("TVMFFIErrorMoveFromRaised", &take_error);
  find("TVMFFIErrorSetRaised", &set_error);
  find("TVMBackendParallelLaunch", &launch);
  Dl_info holder;
  if (dladdr(reinterpret_cast<void*>(call), &holder) == 0 ||
      dlopen(holder.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD) == nullptr) {
    Fail(StatusCode::kInternal, "the library with TVM's C interface cannot be made global");
  }
  load_module = Global("ffi.ModuleLoadFromFile");
  get_function = Global("ffi.ModuleGetFunction");
  shape = Global("ffi.Shape");
}

// ---- Parallel loops of compiled code

struct Workers {
  const Tvm* tvm;
  ThreadPool* threads;
};
inline thread_local Workers current_workers{};           // of the cluster that this thread runs
inline std::atomic<ParallelLaunch> own_launch{nullptr};  // TVM's, for calls that are none of TensorFlow's

// While compiled code runs: the threads that it may use, and numbers as it expects them. TensorFlow's threads flush
// denormals, which would change results.
class Running {
 public:
  explicit Running(Workers workers) : workers_(std::exchange(current_workers, workers)) {
    std::fegetenv(&numbers_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~Running() {
    std::fesetenv(&numbers_);
    current_workers = workers_;
  }

 private:
  Workers workers_;
  std::fenv_t numbers_;
};

// A parallel loop: whichever thread is free takes its next task. `environment` is a TVMParallelGroupEnv; its barriers
// are for code that Relax does not make.
struct Loop {
  const Tvm& tvm;
  ParallelTask task;
  void* data;
  struct {
    void* barriers;
    int32_t tasks;
  } environment;
  std::atomic<int> next{0}, done{0};
  std::atomic<bool> failed{false};
  std::atomic<TVMFFIObjectHandle> error{nullptr};

  void Work() {
    const Running running({});
    for (int i; (i = next++) < environment.tasks; ++done) {
      if (failed || task(i, &environment, data) == 0) continue;
      failed = true;
      // an error belongs to the thread that raised it; the first one goes to the caller's
      TVMFFIObjectHandle raised = nullptr, none = nullptr;
      tvm.take_error(&raised);
      if (raised != nullptr && !error.compare_exchange_strong(none, raised)) tvm.release(raised);
    }
  }
};

// TVMBackendParallelLaunch with TensorFlow's threads. TVM has a pool for every thread that calls it, whose threads wait
// by spinning: with TensorFlow's many callers, there would be far more of them than processors. The caller does what
// the others have not begun, so it waits for no thread that is late.
inline int LaunchOnWorkers(ParallelTask task, void* data, int tasks) {
  const Workers workers = current_workers;
  if (workers.threads == nullptr) return own_launch.load()(task, data, tasks);
  if (tasks == 0) tasks = workers.threads->NumThreads();
  // shared: a thread that is late finds no task left, when the call may be over
  const std::shared_ptr<Loop> loop(new Loop{*workers.tvm, task, data, {nullptr, tasks}});
  const int helpers = std::min(tasks, workers.threads->NumThreads()) - 1;
  for (int i = 0; i < helpers; ++i) workers.threads->Schedule([loop] { loop->Work(); });
  loop->Work();
  while (loop->done < tasks) std::this_thread::yield();
  if (loop->error != nullptr) {
    workers.tvm->set_error(loop->error);
    workers.tvm->release(loop->error);
  }
  return loop->failed ? -1 : 0;
}

// ---- Loaded libraries

// A virtual machine; it runs one call at a time.
struct Machine {
  Object module, main;
};

// A library and its idle machines, for all kernels that name it.
class Library {
 public:
  static std::shared_ptr<Library> Open(const Tvm& tvm, const std::string& path) {
    static auto* mutex = new std::mutex;  // never destroyed: kernels may be later than the static objects of this library
    static auto* open = new std::map<std::pair<const Tvm*, std::string>, std::weak_ptr<Library>>;
    std::lock_guard<std::mutex> lock(*mutex);
    for (auto each = open->begin(); each != open->end();) each = each->second.expired() ? open->erase(each) : std::next(each);
    std::weak_ptr<Library>& known = (*open)[{&tvm, path}];
    std::shared_ptr<Library> library = known.lock();
    if (library == nullptr) known = library = std::make_shared<Library>(tvm, path);
    return library;
  }

  Library(const Tvm& tvm, const std::string& path) : tvm_(tvm) {
    if (access(path.c_str(), R_OK) != 0) {
      Fail(StatusCode::kNotFound, "there is no library ", path, ", or none to be read; what Offloaded.save writes has its own");
    }
    const Object module = tvm.Call(tvm.load_module, {Text(path)});
    new_machine_ = tvm.Method(module, "vm_load_executable");
    void* handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    // a variable of the library, which has it if there are parallel loops in its code
    if (void* launch = handle == nullptr ? nullptr : dlsym(handle, "__TVMBackendParallelLaunch")) {
      own_launch = tvm.launch;
      *static_cast<ParallelLaunch*>(launch) = LaunchOnWorkers;
    }
    if (handle != nullptr) dlclose(handle);
  }

  const Tvm& tvm() const { return tvm_; }

  Machine Take() {
    {
      std::lock_guard<std::mutex> lock(idle_mutex_);
      if (!idle_.empty()) {
        Machine machine = std::move(idle_.back());
        idle_.pop_back();
        return machine;
      }
    }
    std::lock_guard<std::mutex> lock(making_mutex_);
    Object module = tvm_.Call(new_machine_, {});
    const Object initialize = tvm_.Method(module, "vm_initialization");
    tvm_.Call(initialize, {Number(kDLCPU), Number(0), Number(kPooledAllocator)});
    Object main = tvm_.Method(module, "main");
    return {std::move(module), std::move(main)};
  }

  void GiveBack(Machine machine) {
    std::lock_guard<std::mutex> lock(idle_mutex_);
    idle_.push_back(std::move(machine));
  }

 private:
  const Tvm& tvm_;
  Object new_machine_{nullptr, nullptr};
  std::mutex making_mutex_, idle_mutex_;
  std::vector<Machine> idle_;
};

}  // namespace tvm_hlo_frontend

#endif  // TVM_HLO_FRONTEND_HYBRID_BRIDGE_TVM_RUNTIME_H_
