/* A transformer block over a panel of an image, row by row.

   Rows come from the top, a few at a time: as many as make a matrix product large enough
   to be worth reading its weights. Of every hidden image only the last rows exist, in
   rings that stay in the cache; see streams.py, which does the same with PyTorch.

   Images are channels-last float32. Channels are padded to whole vectors, so that no
   inner loop over them has a remainder; what lies in the padding is finite and never
   read into a pixel. One thread; callers run several. */

#include <math.h>
#include <string.h>

#if defined(__AVX512F__)
enum { LANES = 16, GROUP = 12 };
#elif defined(__AVX__)
enum { LANES = 8, GROUP = 6 };
#else
enum { LANES = 4, GROUP = 8 };
#endif

#define SIZE (4 * LANES)
typedef float vec __attribute__((vector_size(SIZE), aligned(4), may_alias));
typedef int mask __attribute__((vector_size(SIZE), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

static inline vec splat(float value) { return value - (vec){0}; }
static inline vec load(const float *p) { return *(const vec *)p; }
static inline void store(float *p, vec v) { *(vec *)p = v; }

/* What Python fills in; sizes in pixels and channels, padded where they say so. */
typedef struct {
    long width, height;
    long channels, padded_channels, hidden, padded_hidden, heads;
    long keeps_mean, counted_start, counted_stop, chunk; /* rows at a time */
    /* Packed matrices, biases (padded) or null, and nine rows of taps. */
    const float *v, *v_bias, *v_taps, *v_taps_bias;
    const float *mixing, *mixing_bias;
    const float *gated, *gated_bias, *gated_taps, *gated_taps_bias;
    const float *out, *out_bias;
    const float *qk, *qk_bias, *qk_taps, *qk_taps_bias;
    double *product, *squares;
    float *work;
} panel;

long diffir_lanes(void) { return LANES; }

/* ---------------------------------------------------------------- matrix products */

/* out = init + a b for `pixels` pixels and `vectors` vectors of columns; b is packed, k
   rows of `vectors` vectors. */
#define PRODUCT(NAME, PIXELS, VECTORS)                                                  \
    static inline void NAME(                                                            \
        const float *a, long lda, long k, const float *b, const float *bias,            \
        const float *residual, float *out, long ldo                                     \
    ) {                                                                                 \
        vec sum[PIXELS][VECTORS];                                                       \
        for (int i = 0; i < PIXELS; i++)                                                \
            for (int j = 0; j < VECTORS; j++) {                                         \
                sum[i][j] = bias ? load(bias + j * LANES) : splat(0.0f);                \
                if (residual) sum[i][j] += load(residual + i * ldo + j * LANES);        \
            }                                                                           \
        for (long l = 0; l < k; l++, b += VECTORS * LANES)                              \
            for (int i = 0; i < PIXELS; i++) {                                          \
                const vec x = splat(a[i * lda + l]);                                    \
                for (int j = 0; j < VECTORS; j++) sum[i][j] += x * load(b + j * LANES); \
            }                                                                           \
        for (int i = 0; i < PIXELS; i++)                                                \
            for (int j = 0; j < VECTORS; j++)                                           \
                store(out + i * ldo + j * LANES, sum[i][j]);                            \
    }
PRODUCT(product_of_two, GROUP, 2)
PRODUCT(product_of_one, GROUP, 1)
PRODUCT(four_of_two, 4, 2)
PRODUCT(four_of_one, 4, 1)
PRODUCT(single_of_two, 1, 2)
PRODUCT(single_of_one, 1, 1)

enum { BLOCK = 384 }; /* rows of b that are used from the nearest cache */

/* out (pixels, n) = residual + a (pixels, k) b + bias; n in vectors, b packed in blocks
   of two vectors of columns, and a last one of one. Rows of a are k long, begin every
   `lda` floats, and go on `jump` floats further for each of `parts`: b has k * parts. */
static void multiply(
    const float *a, long pixels, long lda, long k, long parts, long jump,
    const float *b, long n, const float *bias, const float *residual, float *out
) {
    for (long j = 0; j < n; j += 2 * LANES) {
        const int two = n - j >= 2 * LANES;
        const float *init = bias ? bias + j : 0, *before = residual ? residual + j : 0;
        for (long part = 0; part < parts; part++)
            for (long l = 0; l < k; l += BLOCK) {
                const float *from = a + part * jump + l;
                const long depth = k - l < BLOCK ? k - l : BLOCK;
                float *to = out + j;
                long i = 0;
#define PIXELS(COUNT, OF_TWO, OF_ONE)                                                   \
    for (; i + COUNT <= pixels; i += COUNT)                                             \
        (two ? OF_TWO : OF_ONE)(                                                        \
            from + i * lda, lda, depth, b, init, before ? before + i * n : 0,           \
            to + i * n, n                                                               \
        );
                PIXELS(GROUP, product_of_two, product_of_one)
                PIXELS(4, four_of_two, four_of_one)
                PIXELS(1, single_of_two, single_of_one)
#undef PIXELS
                b += (two ? 2 : 1) * LANES * depth;
                init = 0;
                before = to;
            }
    }
}

/* ---------------------------------------------------------------- dense convolution */

enum { CHUNK = 16 * GROUP };

/* A size x size convolution as a matrix product: with channels last, the `size` pixels
   that a pixel sees in one row are one run of size * c floats, and the rows of a tile
   follow each other at `pitch` pixels. out (pixels, n), n in vectors; where a row of the
   tile ends, size - 1 outputs mean nothing. */
void diffir_convolve(
    const float *x, long pixels, long pitch, long c, long size, const float *weights,
    const float *bias, long n, float *out
) {
    for (long i = 0; i < pixels; i += CHUNK)
        multiply(
            x + i * c, pixels - i < CHUNK ? pixels - i : CHUNK, c, size * c, size,
            pitch * c, weights, n, bias, 0, out + i * n
        );
}

/* ---------------------------------------------------------------- normalisation */

INLINE float sum_of(vec v) {
    float sum[4] = {0.0f};
    for (int l = 0; l < LANES; l++) sum[l % 4] += v[l];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Sum of (x - centre)^power over c channels, power 1 or 2. */
INLINE float sum_channels(const float *x, long c, float centre, const int power) {
    vec total = splat(0.0f);
    long j = 0;
    for (; j + LANES <= c; j += LANES) {
        const vec d = load(x + j) - centre;
        if (power == 2)
            total += d * d;
        else
            total += d;
    }
    float rest = 0.0f;
    for (; j < c; j++) rest += power == 2 ? (x[j] - centre) * (x[j] - centre) : x[j] - centre;
    return sum_of(total) + rest;
}

enum { TOGETHER = 32 }; /* pixels whose roots are taken together */

static void normalise(
    const float *restrict x, long pixels, long c, long pitch, long keeps_mean,
    float *restrict out
) {
    const float share = 1.0f / (float)c;
    float mean[TOGETHER], inverse[TOGETHER];
    for (long first = 0; first < pixels; first += TOGETHER) {
        const long count = pixels - first < TOGETHER ? pixels - first : TOGETHER;
        const float *from = x + first * pitch;
        float *to = out + first * pitch;
        for (long i = 0; i < count; i++)
            mean[i] = sum_channels(from + i * pitch, c, 0.0f, 1) * share;
        for (long i = 0; i < count; i++)
            inverse[i] = sum_channels(from + i * pitch, c, mean[i], 2) * share;
#pragma omp simd
        for (long i = 0; i < count; i++) inverse[i] = 1.0f / sqrtf(inverse[i] + 1e-5f);
        for (long i = 0; i < count; i++) {
            const float centre = keeps_mean ? 0.0f : mean[i];
            for (long j = 0; j < pitch; j += LANES)
                store(
                    to + i * pitch + j,
                    (load(from + i * pitch + j) - centre) * inverse[i]
                );
        }
    }
}

/* ---------------------------------------------------------------- depthwise 3x3 */

/* The nine taps of one vector of channels, and the two outputs that are not finished. */
typedef struct {
    vec tap[9], bias, previous, current;
} filter;

static inline void start(filter *f, const float *taps, const float *bias, long n) {
    for (int t = 0; t < 9; t++) f->tap[t] = load(taps + t * n);
    f->bias = bias ? load(bias) : splat(0.0f);
    f->current = f->bias;
    f->previous = f->bias;
}

/* Take the next column; give the finished output of the column before. */
static inline vec step(filter *f, const float *const row[3], long at) {
    const vec a = load(row[0] + at), b = load(row[1] + at), c = load(row[2] + at);
    const vec done = f->previous + a * f->tap[2] + b * f->tap[5] + c * f->tap[8];
    f->previous = f->current + a * f->tap[1] + b * f->tap[4] + c * f->tap[7];
    f->current = f->bias + a * f->tap[0] + b * f->tap[3] + c * f->tap[6];
    return done;
}

/* Several vectors of channels at a time: a whole line of the cache, so that it is read
   once although pixels lie far apart. */
enum { LINE = 64 / SIZE };

INLINE void convolve_line(
    const float *const row[3], long width, long n, const float *taps, const float *bias,
    float *out, const int vectors
) {
    filter f[LINE];
    for (int k = 0; k < vectors; k++) {
        start(&f[k], taps + k * LANES, bias ? bias + k * LANES : 0, n);
        step(&f[k], row, k * LANES);
    }
    for (long i = 1; i < width; i++)
        for (int k = 0; k < vectors; k++)
            store(out + (i - 1) * n + k * LANES, step(&f[k], row, i * n + k * LANES));
    for (int k = 0; k < vectors; k++) store(out + (width - 1) * n + k * LANES, f[k].previous);
}

/* One row of output from three of input, (width, n); zeros beyond left and right. */
static void convolve(
    const float *const row[3], long width, long n, const float *taps,
    const float *bias, float *out
) {
    for (long j = 0, vectors; j < n; j += vectors * LANES) {
        const float *const at_j[3] = {row[0] + j, row[1] + j, row[2] + j};
        vectors = j + LINE * LANES <= n ? LINE : 1;
        if (vectors == LINE)
            convolve_line(at_j, width, n, taps + j, bias ? bias + j : 0, out + j, LINE);
        else
            convolve_line(at_j, width, n, taps + j, bias ? bias + j : 0, out + j, 1);
    }
}

static inline vec choose(mask yes, vec a, vec b) {
    return (vec)((yes & (mask)a) | (~yes & (mask)b));
}

/* erf, as x P(x^2) / Q(x^2): least squares, reweighted towards the smallest largest
   error, on [0, 3.92], beyond which erf is 1 in float32. Absolute error below 4e-7. */
static inline vec error_function(vec x) {
    const vec bound = splat(3.92f);
    x = choose(x > bound, bound, choose(x < -bound, -bound, x));
    const vec t = x * x;
    vec p = splat(1.992201603684407e-08f);
    p = p * t + -1.994108515646076e-06f;
    p = p * t + 1.4894238847773522e-04f;
    p = p * t + 3.971114754676819e-03f;
    p = p * t + 5.1391731947660446e-02f;
    p = p * t + 2.0607306063175201e-01f;
    p = p * t + 1.1283787488937378f;
    vec q = splat(1.0236871894448996e-03f);
    q = q * t + 1.4885644428431988e-02f;
    q = q * t + 1.1754744499921799e-01f;
    q = q * t + 5.159562826156616e-01f;
    q = q * t + 1.0f;
    return x * p / q;
}

static inline vec gelu(vec x) {
    return 0.5f * x * (1.0f + error_function(x * 0.70710678118654752f));
}

INLINE void convolve_gated_line(
    const float *const row[3], long width, long h, const float *taps, const float *bias,
    float *out, const int vectors
) {
    const long n = 2 * h;
    filter gate[LINE], value[LINE];
    for (int k = 0; k < vectors; k++) {
        const long j = k * LANES;
        start(&gate[k], taps + j, bias ? bias + j : 0, n);
        start(&value[k], taps + h + j, bias ? bias + h + j : 0, n);
        step(&gate[k], row, j);
        step(&value[k], row, h + j);
    }
    for (long i = 1; i < width; i++)
        for (int k = 0; k < vectors; k++) {
            const vec g = step(&gate[k], row, i * n + k * LANES);
            const vec v = step(&value[k], row, i * n + h + k * LANES);
            store(out + (i - 1) * h + k * LANES, gelu(g) * v);
        }
    for (int k = 0; k < vectors; k++)
        store(out + (width - 1) * h + k * LANES, gelu(gate[k].previous) * value[k].previous);
}

/* As `convolve` on (width, 2 h), then gelu(first h) * (last h): (width, h). */
static void convolve_gated(
    const float *const row[3], long width, long h, const float *taps,
    const float *bias, float *out
) {
    for (long j = 0, vectors; j < h; j += vectors * LANES) {
        const float *const at_j[3] = {row[0] + j, row[1] + j, row[2] + j};
        const float *offset = bias ? bias + j : 0;
        vectors = j + LINE * LANES <= h ? LINE : 1;
        if (vectors == LINE)
            convolve_gated_line(at_j, width, h, taps + j, offset, out + j, LINE);
        else
            convolve_gated_line(at_j, width, h, taps + j, offset, out + j, 1);
    }
}

/* ---------------------------------------------------------------- attention sums */

enum { SUM_ROWS = 8 };

/* product (c, c) += q^T k over the pixels of a row, for one head; both have `pitch`. */
static void add_products(
    const float *q, const float *k, long pixels, long pitch, long c, double *product
) {
    for (long i = 0; i < c; i += SUM_ROWS)
        for (long j = 0; j < c; j += LANES) {
            const long rows = c - i < SUM_ROWS ? c - i : SUM_ROWS;
            const long columns = c - j < LANES ? c - j : LANES;
            vec sum[SUM_ROWS];
            for (int r = 0; r < SUM_ROWS; r++) sum[r] = splat(0.0f);
            if (rows == SUM_ROWS)
                for (long p = 0; p < pixels; p++) {
                    const vec b = load(k + p * pitch + j);
                    const float *a = q + p * pitch + i;
                    for (int r = 0; r < SUM_ROWS; r++) sum[r] += a[r] * b;
                }
            else
                for (long p = 0; p < pixels; p++) {
                    const vec b = load(k + p * pitch + j);
                    for (int r = 0; r < rows; r++) sum[r] += q[p * pitch + i + r] * b;
                }
            for (int r = 0; r < rows; r++)
                for (int l = 0; l < columns; l++)
                    product[(i + r) * c + j + l] += (double)sum[r][l];
        }
}

static void add_squares(const float *x, long pixels, long pitch, long n, double *squares) {
    for (long j = 0; j < n; j += LANES) {
        vec sum = splat(0.0f);
        for (long p = 0; p < pixels; p++) {
            const vec v = load(x + p * pitch + j);
            sum += v * v;
        }
        for (int l = 0; l < LANES && j + l < n; l++) squares[j + l] += (double)sum[l];
    }
}

/* ---------------------------------------------------------------- streams */

typedef struct {
    float *x, *v, *gated, *attended, *qk; /* rings of rows */
    float *normalised, *mixed, *active, *done, *row;
    long rows; /* of a ring */
} buffers;

/* A ring holds two chunks, so that the rows of a chunk lie side by side; three if they
   have one row only, because a convolution looks two rows back. */
static long ring_rows(const panel *p) { return p->chunk > 1 ? 2 * p->chunk : 3; }

static buffers buffers_of(const panel *p) {
    const long c = p->width * p->padded_channels;
    const long h = p->width * p->padded_hidden;
    buffers b;
    b.rows = ring_rows(p);
    b.x = p->work;
    b.v = b.x + b.rows * c;
    b.gated = b.v + b.rows * c;
    b.attended = b.gated + b.rows * 2 * h;
    b.qk = b.attended + b.rows * c;
    b.normalised = b.qk + b.rows * 2 * c;
    b.mixed = b.normalised + p->chunk * c;
    b.active = b.mixed + p->chunk * c;
    b.done = b.active + p->chunk * h;
    b.row = b.done + p->chunk * c;
    return b;
}

/* Floats of `work`, without the vector that a sum may read beyond its end. */
long diffir_work(const panel *p) {
    const long rows = ring_rows(p), c = p->padded_channels, h = p->padded_hidden;
    return p->width * (rows * (5 * c + 2 * h) + p->chunk * (5 * c + h));
}

/* Rings count rows by when they were made: chunks of all of them begin together. */
static float *at(float *ring, const buffers *b, long row, long values) {
    return ring + ((row % b->rows) + b->rows) % b->rows * values;
}

static void three_rows(
    float *ring, const buffers *b, long row, long values, const float **rows
) {
    for (int i = 0; i < 3; i++) rows[i] = at(ring, b, row - 1 + i, values);
}

/* Rows that exist, of `count` from `first` on. */
typedef struct {
    long first, count;
} span;

static span existing(const panel *p, long first, long count) {
    long last = first + count;
    if (first < 0) first = 0;
    if (last > p->height) last = p->height;
    return (span){first, last > first ? last - first : 0};
}

/* Normalise and multiply the rows of a chunk into a ring; rows that do not exist become
   zeros. `x` are the rows that do, `lag` is by how much they are late. */
static void fill(
    const panel *p, const buffers *b, const float *x, long first, long count, long lag,
    const float *weights, const float *bias, long n, float *ring
) {
    const long cp = p->padded_channels, values = p->width * n;
    const span s = existing(p, first, count);
    for (long r = first; r < first + count; r++)
        if (r < s.first || r >= s.first + s.count)
            memset(at(ring, b, r + lag, values), 0, sizeof(float) * values);
    if (!s.count) return;
    const long pixels = s.count * p->width;
    normalise(x, pixels, p->channels, cp, p->keeps_mean, b->normalised);
    multiply(
        b->normalised, pixels, cp, p->channels, 1, 0, weights, n, bias, 0,
        at(ring, b, s.first + lag, values)
    );
}

/* Take the rows from `first` on of the image whose attention is summed up; `x` are those
   that exist, `lag` is by how much they are late. */
static void sum_rows(
    const panel *p, const buffers *b, const float *x, long first, long count, long lag
) {
    const long c = p->channels, cp = p->padded_channels, values = p->width * 2 * cp;
    fill(p, b, x, first, count, lag, p->qk, p->qk_bias, 2 * cp, b->qk);
    const span s = existing(p, first - 1, count);
    const long pixels = p->counted_stop - p->counted_start, each = c / p->heads;
    for (long r = s.first; r < s.first + s.count; r++) {
        const float *rows[3];
        three_rows(b->qk, b, r + lag, values, rows);
        convolve(rows, p->width, 2 * cp, p->qk_taps, p->qk_taps_bias, b->row);
        const float *counted = b->row + p->counted_start * 2 * cp;
        for (long head = 0; head < p->heads; head++)
            add_products(
                counted + head * each, counted + cp + head * each, pixels, 2 * cp, each,
                p->product + head * each * each
            );
        add_squares(counted, pixels, 2 * cp, c, p->squares);
        add_squares(counted + cp, pixels, 2 * cp, c, p->squares + c);
    }
}

/* Copy the existing ones of `count` rows of x, which begins at row `from`, to the ring. */
static void take_rows(
    const panel *p, const buffers *b, const float *x, long from, long first, long count
) {
    const long w = p->width, c = p->channels, cp = p->padded_channels;
    const span s = existing(p, first, count);
    for (long r = s.first; r < s.first + s.count; r++) {
        const float *row = x + (r - from) * w * c;
        float *to = at(b->x, b, r, p->width * cp);
        if (c == cp)
            memcpy(to, row, sizeof(float) * w * c);
        else
            for (long i = 0; i < w; i++) memcpy(to + i * cp, row + i * c, sizeof(float) * c);
    }
}

/* The block for a chunk of rows that were taken: rows of its output come out in `done`,
   from `first` - 2 on, those that exist. */
static void transform(const panel *p, const buffers *b, long first, long count) {
    const long w = p->width, c = p->channels, cp = p->padded_channels;
    const long hp = p->padded_hidden, line = w * cp;
    const float *three[3];
    const span new = existing(p, first, count);
    const float *x = at(b->x, b, new.first, line);
    fill(p, b, x, first, count, 0, p->v, p->v_bias, cp, b->v);

    const span mid = existing(p, first - 1, count);
    float *attended = at(b->attended, b, mid.first + 1, line);
    for (long i = 0; i < mid.count; i++) {
        three_rows(b->v, b, mid.first + i, line, three);
        convolve(three, w, cp, p->v_taps, p->v_taps_bias, b->mixed + i * line);
        memcpy(attended + i * line, at(b->x, b, mid.first + i, line), sizeof(float) * line);
    }
    multiply(
        b->mixed, mid.count * w, cp, c, 1, 0, p->mixing, cp, p->mixing_bias, attended,
        attended
    );
    fill(p, b, attended, first - 1, count, 1, p->gated, p->gated_bias, 2 * hp, b->gated);

    const span old = existing(p, first - 2, count);
    for (long i = 0; i < old.count; i++) {
        three_rows(b->gated, b, old.first + i + 1, w * 2 * hp, three);
        convolve_gated(
            three, w, hp, p->gated_taps, p->gated_taps_bias, b->active + i * w * hp
        );
        const float *residual = at(b->attended, b, old.first + i + 1, line);
        memcpy(b->done + i * line, residual, sizeof(float) * line);
    }
    multiply(
        b->active, old.count * w, hp, p->hidden, 1, 0, p->out, cp, p->out_bias, b->done,
        b->done
    );
}

/* Chunks begin at whole multiples, whatever the rows of a push. */
static long chunk_rows(const panel *p, long row, long last) {
    const long end = (row / p->chunk + 1) * p->chunk;
    return (end < last ? end : last) - row;
}

/* Take `rows` rows of x (rows, width, channels) from `first` on, for the sums alone. */
void diffir_push_sums(const panel *p, const float *x, long first, long rows) {
    const buffers b = buffers_of(p);
    for (long row = first, count; row < first + rows; row += count) {
        count = chunk_rows(p, row, first + rows);
        take_rows(p, &b, x, first, row, count);
        const span s = existing(p, row, count);
        sum_rows(p, &b, at(b.x, &b, s.first, p->width * p->padded_channels), row,
                 count, 0);
    }
}

/* Take `rows` rows of x (rows, width, channels) from `first` on; put as many rows of the
   block's output, from `first` - 2 on, into out; those that do not exist are skipped. */
void diffir_push(const panel *p, const float *x, float *out, long first, long rows) {
    const buffers b = buffers_of(p);
    const long w = p->width, c = p->channels, cp = p->padded_channels;
    for (long row = first, count; row < first + rows; row += count) {
        count = chunk_rows(p, row, first + rows);
        take_rows(p, &b, x, first, row, count);
        transform(p, &b, row, count);
        const span s = existing(p, row - 2, count);
        for (long i = 0; i < s.count; i++)
            for (long j = 0; j < w; j++)
                memcpy(
                    out + ((s.first + i + 2 - first) * w + j) * c,
                    b.done + (i * p->width + j) * cp, sizeof(float) * c
                );
        if (p->qk) sum_rows(p, &b, b.done, row - 2, count, 2);
    }
}
