/* What the processor can do at most: GFLOP/s of fused multiply-adds of f32 in registers, GB/s of a triad of large arrays.
   Run: peaks THREADS ELEMENTS   (prints both; elements of each of three arrays) */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef __AVX512F__
#define WIDTH 16
#else
#define WIDTH 8
#endif
#define CHAINS 12
#define STEPS 12000000L
#define REPEATS 20

typedef float vector __attribute__((vector_size(4 * WIDTH)));

static float *a, *b, *c;
static long elements;
static int threads;
static float sink[256];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* chains enough to hide the latency of one multiply-add; few enough for the registers */
static void *multiply_add(void *number) {
  vector sum[CHAINS], x, y;
  for (int i = 0; i < WIDTH; i++) x[i] = 0.999f, y[i] = 1e-3f;  /* towards 1: no denormals */
  /* every loop over the chains is unrolled: an array with a variable subscript is memory */
#pragma GCC unroll 12
  for (int i = 0; i < CHAINS; i++) sum[i] = x * (float)i;
  for (long step = 0; step < STEPS / CHAINS; step++) {
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) {
      sum[i] = sum[i] * x + y;
      __asm__ volatile("" : "+v"(sum[i]));
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < CHAINS; i++) sink[(long)number] += sum[i][0];
  return NULL;
}

static void *triad(void *number) {
  long from = elements / threads * (long)number, to = from + elements / threads;
  for (long i = from; i < to; i++) a[i] = b[i] + 3.0f * c[i];
  return NULL;
}

/* least seconds of some runs on all threads */
static double seconds(void *(*work)(void *), int repeats) {
  double least = 1e30;
  for (int repeat = 0; repeat < repeats; repeat++) {
    pthread_t thread[256];
    double start = now();
    for (long i = 0; i < threads; i++) pthread_create(&thread[i], NULL, work, (void *)i);
    for (long i = 0; i < threads; i++) pthread_join(thread[i], NULL);
    double took = now() - start;
    if (took < least) least = took;
  }
  return least;
}

int main(int count, char **words) {
  threads = atoi(words[1]);
  elements = atol(words[2]);
  if (count != 3 || threads < 1 || threads > 256) return 1;
  a = malloc(4 * elements), b = malloc(4 * elements), c = malloc(4 * elements);
  for (long i = 0; i < elements; i++) a[i] = 0, b[i] = i, c[i] = 1;
  double flops = 2.0 * WIDTH * (STEPS / CHAINS * CHAINS) * threads;
  printf("%.1f %.1f\n", flops / seconds(multiply_add, 10 * REPEATS) / 1e9, 12.0 * elements / seconds(triad, REPEATS) / 1e9);
  return 0;
}
