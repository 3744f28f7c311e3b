// SPDX-License-Identifier: Apache-2.0
// biased_act, its slope and its curve on the GPU. Bound by memory: one 16-byte pack a thread where the layout allows.
// The mathematics is in activation.h.

#include "cuda/element.cuh"

namespace fullhead {
namespace {

// y = f(i, inputs at i), pack by pack. kSize = 1 serves unaligned tails and odd layouts.
template <int kSize, class T, class F, class... In>
__global__ void map_kernel(T* y, int64_t packs, F f, const In*... inputs) {
  for (int64_t p = first_item(); p < packs; p += item_step()) {
    Pack<T, kSize> out;
    auto load = [&](const T* x) { return reinterpret_cast<const Pack<T, kSize>*>(x)[p]; };
    f.template pack<kSize>(out, p * kSize, load(inputs)...);
    reinterpret_cast<Pack<T, kSize>*>(y)[p] = out;
  }
}

template <class T, class F, class... In>
int map(void* stream, T* y, int64_t numel, bool packable, const F& f, const In*... inputs) {
  if (numel == 0) return 0;
  constexpr int kSize = kPackSize<T>;
  const bool aligned = numel % kSize == 0 && is_pack_aligned(y) && (... && is_pack_aligned(inputs));
  if (packable && aligned)
    return run(map_kernel<kSize, T, F, In...>, blocks_for(numel / kSize), kThreads, 0, stream, y, numel / kSize, f, inputs...);
  return run(map_kernel<1, T, F, In...>, blocks_for(numel), kThreads, 0, stream, y, numel, f, inputs...);
}

template <Act act, class T>
struct Value {
  const T* bias;
  int64_t channels, inner;
  Acc<T> gain, clamp;

  template <int kSize>
  __device__ void pack(Pack<T, kSize>& out, int64_t first, const Pack<T, kSize>& x) const {
    using A = Acc<T>;
    // A pack lies in one channel, or in consecutive channels of one pixel.
    const int64_t channel = bias ? first / inner % channels : 0;
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      A z = widen(x.values[i]);
      if (bias) z += widen(bias[inner == 1 ? channel + i : channel]);
      out.values[i] = narrow<T>(limited(act_value<act>(z) * gain, clamp));
    }
  }
};

template <Act act, class T>
struct Slope {
  Acc<T> gain, clamp;

  template <int kSize>
  __device__ void pack(Pack<T, kSize>& out, int64_t, const Pack<T, kSize>& g, const Pack<T, kSize>& kept) const {
    const Acc<T> limit = widen(narrow<T>(clamp));  // rounded as the kept output is
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      const Acc<T> z = widen(kept.values[i]);
      out.values[i] = narrow<T>(is_free<act>(z, gain, limit) ? widen(g.values[i]) * act_slope<act>(z) * gain : Acc<T>(0));
    }
  }
};

template <Act act, class T>
struct Curve {
  Acc<T> gain, clamp;

  template <int kSize>
  __device__ void pack(Pack<T, kSize>& out, int64_t, const Pack<T, kSize>& g, const Pack<T, kSize>& h,
                       const Pack<T, kSize>& kept) const {
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      const Acc<T> z = widen(kept.values[i]);
      const Acc<T> curve = widen(g.values[i]) * widen(h.values[i]) * act_curve<act>(z) * gain;
      out.values[i] = narrow<T>(is_free<act>(z, gain, clamp) ? curve : Acc<T>(0));
    }
  }
};

// Calls f with a device element and a compile-time activation, and returns its error.
template <class F>
int dispatch(Element element, Act act, const F& f) {
  int error = cudaErrorInvalidValue;
  with_element(element, [&](auto zero) { with_act(act, [&](auto kind) { error = f(zero, kind); }); });
  return error;
}

}  // namespace

int launch_biased_act(void* stream, Element element, const void* x, const void* bias, void* y, ActShape shape, Act act,
                      double gain, double clamp) {
  return dispatch(element, act, [&](auto zero, auto kind) -> int {
    using T = decltype(zero);
    const Value<decltype(kind)::value, T> f{static_cast<const T*>(bias), shape.channels, shape.inner, Acc<T>(gain), Acc<T>(clamp)};
    const bool packable = !bias || (shape.inner == 1 ? shape.channels : shape.inner) % kPackSize<T> == 0;
    return map(stream, static_cast<T*>(y), shape.numel, packable, f, static_cast<const T*>(x));
  });
}

int launch_act_slope(void* stream, Element element, const void* g, const void* kept, void* out, int64_t numel, Act act,
                     double gain, double clamp) {
  return dispatch(element, act, [&](auto zero, auto kind) -> int {
    using T = decltype(zero);
    const Slope<decltype(kind)::value, T> f{Acc<T>(gain), Acc<T>(clamp)};
    return map(stream, static_cast<T*>(out), numel, true, f, static_cast<const T*>(g), static_cast<const T*>(kept));
  });
}

int launch_act_curve(void* stream, Element element, const void* g, const void* h, const void* kept, void* out, int64_t numel,
                     Act act, double gain, double clamp) {
  return dispatch(element, act, [&](auto zero, auto kind) -> int {
    using T = decltype(zero);
    const Curve<decltype(kind)::value, T> f{Acc<T>(gain), Acc<T>(clamp)};
    return map(stream, static_cast<T*>(out), numel, true, f, static_cast<const T*>(g), static_cast<const T*>(h),
               static_cast<const T*>(kept));
  });
}

}  // namespace fullhead
