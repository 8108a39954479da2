/* A transformer block over a panel of an image, row by row.

   Rows come from the top. Of every hidden image only the last three rows exist, in rings
   that stay in the cache of one core; see streams.py, which does the same with PyTorch.

   Images are channels-last float32. Widths are padded to whole groups of GROUP pixels
   and channels to whole vectors, so that no inner loop has a remainder; what lies in the
   padding is finite and never read into a pixel. One thread; callers run several. */

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

static inline vec splat(float value) { return value - (vec){0}; }
static inline vec load(const float *p) { return *(const vec *)p; }
static inline void store(float *p, vec v) { *(vec *)p = v; }

/* What Python fills in; sizes in pixels and channels, padded where they say so. */
typedef struct {
    long width, padded_width, height;
    long channels, padded_channels, hidden, padded_hidden, heads;
    long keeps_mean, counted_start, counted_stop;
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
long diffir_group(void) { return GROUP; }

/* ---------------------------------------------------------------- matrix products */

/* out = init + a b for GROUP pixels and `vectors` vectors of columns; b is packed, k
   rows of `vectors` vectors. */
#define PRODUCT(NAME, VECTORS)                                                          \
    static inline void NAME(                                                            \
        const float *a, long lda, long k, const float *b, const float *bias,            \
        const float *residual, float *out, long ldo                                     \
    ) {                                                                                 \
        vec sum[GROUP][VECTORS];                                                        \
        for (int i = 0; i < GROUP; i++)                                                 \
            for (int j = 0; j < VECTORS; j++) {                                         \
                sum[i][j] = bias ? load(bias + j * LANES) : splat(0.0f);                \
                if (residual) sum[i][j] += load(residual + i * ldo + j * LANES);        \
            }                                                                           \
        for (long l = 0; l < k; l++, b += VECTORS * LANES)                              \
            for (int i = 0; i < GROUP; i++) {                                           \
                const vec x = splat(a[i * lda + l]);                                    \
                for (int j = 0; j < VECTORS; j++) sum[i][j] += x * load(b + j * LANES); \
            }                                                                           \
        for (int i = 0; i < GROUP; i++)                                                 \
            for (int j = 0; j < VECTORS; j++) store(out + i * ldo + j * LANES, sum[i][j]); \
    }
PRODUCT(product_of_two, 2)
PRODUCT(product_of_one, 1)

/* out (pixels, n) = residual + a (pixels, k) b + bias; pixels in groups, n in vectors,
   b packed in blocks of two vectors of columns, and a last one of one. */
static void multiply(
    const float *a, long pixels, long lda, long k, const float *b, long n,
    const float *bias, const float *residual, float *out
) {
    for (long j = 0; j < n; j += 2 * LANES) {
        const float *offset = bias ? bias + j : 0;
        for (long i = 0; i < pixels; i += GROUP) {
            const float *before = residual ? residual + i * n + j : 0;
            if (n - j >= 2 * LANES)
                product_of_two(a + i * lda, lda, k, b, offset, before, out + i * n + j, n);
            else
                product_of_one(a + i * lda, lda, k, b, offset, before, out + i * n + j, n);
        }
        b += 2 * LANES * k;
    }
}

/* ---------------------------------------------------------------- normalisation */

static void normalise(
    const float *restrict x, long pixels, long c, long pitch, long keeps_mean,
    float *restrict out
) {
    const float share = 1.0f / (float)c;
    for (long i = 0; i < pixels; i++, x += pitch, out += pitch) {
        float sum = 0.0f, square = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (long j = 0; j < c; j++) sum += x[j];
        const float mean = sum * share;
#pragma omp simd reduction(+ : square)
        for (long j = 0; j < c; j++) square += (x[j] - mean) * (x[j] - mean);
        const float inverse = 1.0f / sqrtf(square * share + 1e-5f);
        const float centre = keeps_mean ? 0.0f : mean;
#pragma omp simd
        for (long j = 0; j < c; j++) out[j] = (x[j] - centre) * inverse;
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

/* One row of output from three of input, (width, n); zeros beyond left and right. */
static void convolve(
    const float *const row[3], long width, long n, const float *taps,
    const float *bias, float *out
) {
    for (long j = 0; j < n; j += LANES) {
        filter f;
        start(&f, taps + j, bias ? bias + j : 0, n);
        step(&f, row, j);
        for (long i = 1; i < width; i++) store(out + (i - 1) * n + j, step(&f, row, i * n + j));
        store(out + (width - 1) * n + j, f.previous);
    }
}

static inline vec select(mask yes, vec a, vec b) {
    return (vec)((yes & (mask)a) | (~yes & (mask)b));
}

/* erf, as x P(x^2) / Q(x^2): least squares, reweighted towards the smallest largest
   error, on [0, 3.92], beyond which erf is 1 in float32. Absolute error below 4e-7. */
static inline vec error_function(vec x) {
    const vec bound = splat(3.92f);
    x = select(x > bound, bound, select(x < -bound, -bound, x));
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

/* As `convolve` on (width, 2 h), then gelu(first h) * (last h): (width, h). */
static void convolve_gated(
    const float *const row[3], long width, long h, const float *taps,
    const float *bias, float *out
) {
    const long n = 2 * h;
    for (long j = 0; j < h; j += LANES) {
        filter gate, value;
        start(&gate, taps + j, bias ? bias + j : 0, n);
        start(&value, taps + h + j, bias ? bias + h + j : 0, n);
        step(&gate, row, j);
        step(&value, row, h + j);
        for (long i = 1; i < width; i++) {
            const vec g = step(&gate, row, i * n + j);
            const vec v = step(&value, row, i * n + h + j);
            store(out + (i - 1) * h + j, gelu(g) * v);
        }
        store(out + (width - 1) * h + j, gelu(gate.previous) * value.previous);
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
    float *v, *gated, *qk; /* rings of three rows */
    float *x, *attended;   /* rings of two rows */
    float *normalised, *mixed, *active, *row;
} buffers;

static buffers buffers_of(const panel *p) {
    const long c = p->padded_width * p->padded_channels;
    const long h = p->padded_width * p->padded_hidden;
    buffers b;
    b.v = p->work;
    b.gated = b.v + 3 * c;
    b.qk = b.gated + 6 * h;
    b.x = b.qk + 6 * c;
    b.attended = b.x + 2 * c;
    b.normalised = b.attended + 2 * c;
    b.mixed = b.normalised + c;
    b.active = b.mixed + c;
    b.row = b.active + h;
    return b;
}

/* Floats of `work`, without the vector that a sum may read beyond its end. */
long diffir_work(const panel *p) {
    return p->padded_width * (17 * p->padded_channels + 7 * p->padded_hidden);
}

static long ring(long row, long size) { return ((row % size) + size) % size; }

static int exists(const panel *p, long row) { return row >= 0 && row < p->height; }

static void three_rows(const float *images, long row, long values, const float **rows) {
    for (int i = 0; i < 3; i++) rows[i] = images + ring(row - 1 + i, 3) * values;
}

/* Take a row (padded pixels and channels) of the image whose attention is summed up. */
static void sum_row(const panel *p, const buffers *b, const float *x, long row) {
    const long c = p->channels, cp = p->padded_channels, values = p->padded_width * 2 * cp;
    float *newest = b->qk + ring(row, 3) * values;
    if (exists(p, row)) {
        normalise(x, p->padded_width, c, cp, p->keeps_mean, b->normalised);
        multiply(b->normalised, p->padded_width, cp, c, p->qk, 2 * cp, p->qk_bias, 0, newest);
    } else {
        memset(newest, 0, sizeof(float) * values);
    }
    if (!exists(p, row - 1)) return;
    const float *rows[3];
    three_rows(b->qk, row - 1, values, rows);
    convolve(rows, p->width, 2 * cp, p->qk_taps, p->qk_taps_bias, b->row);
    const float *counted = b->row + p->counted_start * 2 * cp;
    const long pixels = p->counted_stop - p->counted_start, each = c / p->heads;
    for (long head = 0; head < p->heads; head++)
        add_products(
            counted + head * each, counted + cp + head * each, pixels, 2 * cp, each,
            p->product + head * each * each
        );
    add_squares(counted, pixels, 2 * cp, c, p->squares);
    add_squares(counted + cp, pixels, 2 * cp, c, p->squares + c);
}

static void take_row(const panel *p, const float *x, float *to) {
    const long c = p->channels, cp = p->padded_channels;
    if (c == cp)
        memcpy(to, x, sizeof(float) * p->width * c);
    else
        for (long i = 0; i < p->width; i++) memcpy(to + i * cp, x + i * c, sizeof(float) * c);
}

/* Take `rows` rows of x (rows, width, channels) from `first` on, for the sums alone. */
void diffir_push_sums(const panel *p, const float *x, long first, long rows) {
    const buffers b = buffers_of(p);
    for (long i = 0; i < rows; i++) {
        if (exists(p, first + i)) take_row(p, x + i * p->width * p->channels, b.x);
        sum_row(p, &b, b.x, first + i);
    }
}

/* Take `rows` rows of x (rows, width, channels) from `first` on; put as many rows of the
   block's output, from `first` - 2 on, into out; those that do not exist are skipped. */
void diffir_push(const panel *p, const float *x, float *out, long first, long rows) {
    const buffers b = buffers_of(p);
    const long w = p->width, wp = p->padded_width, c = p->channels, cp = p->padded_channels;
    const long hp = p->padded_hidden, line = wp * cp;
    const float *three[3];
    for (long i = 0; i < rows; i++) {
        const long row = first + i;
        float *newest = b.x + ring(row, 2) * line;
        float *v = b.v + ring(row, 3) * line;
        if (exists(p, row)) {
            take_row(p, x + i * w * c, newest);
            normalise(newest, wp, c, cp, p->keeps_mean, b.normalised);
            multiply(b.normalised, wp, cp, c, p->v, cp, p->v_bias, 0, v);
        } else {
            memset(v, 0, sizeof(float) * line);
        }
        float *attended = b.attended + ring(row - 1, 2) * line;
        float *gated = b.gated + ring(row - 1, 3) * wp * 2 * hp;
        if (exists(p, row - 1)) {
            three_rows(b.v, row - 1, line, three);
            convolve(three, w, cp, p->v_taps, p->v_taps_bias, b.mixed);
            multiply(
                b.mixed, wp, cp, c, p->mixing, cp, p->mixing_bias,
                b.x + ring(row - 1, 2) * line, attended
            );
            normalise(attended, wp, c, cp, p->keeps_mean, b.normalised);
            multiply(b.normalised, wp, cp, c, p->gated, 2 * hp, p->gated_bias, 0, gated);
        } else {
            memset(gated, 0, sizeof(float) * wp * 2 * hp);
        }
        float *done = b.row;
        if (exists(p, row - 2)) {
            three_rows(b.gated, row - 2, wp * 2 * hp, three);
            convolve_gated(three, w, hp, p->gated_taps, p->gated_taps_bias, b.active);
            /* In place: the residual is not needed again. */
            done = b.attended + ring(row - 2, 2) * line;
            multiply(b.active, wp, hp, p->hidden, p->out, cp, p->out_bias, done, done);
            for (long j = 0; j < w; j++)
                memcpy(out + (i * w + j) * c, done + j * cp, sizeof(float) * c);
        }
        if (p->qk) sum_row(p, &b, done, row - 2);
    }
}
