// Memory for the largest use of something, which mostly is used for less.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

namespace pith {

// An array of zeros, its size fixed. The pages of a large one take no memory, and no time,
// before they are written to. Throws std::bad_alloc. Move-only: addresses stay.
template <class T>
class Buffer {
  static_assert(std::is_arithmetic_v<T>);  // all bits 0 are the value 0

 public:
  Buffer() = default;
  explicit Buffer(size_t size) : data_(static_cast<T*>(std::calloc(size, sizeof(T)))) {
    if (data_ == nullptr && size > 0) throw std::bad_alloc();
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  struct Free {
    void operator()(T* data) const { std::free(data); }
  };
  std::unique_ptr<T[], Free> data_;
};

}  // namespace pith
