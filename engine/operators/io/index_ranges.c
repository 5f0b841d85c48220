/* Ranges of numbers that are left: taking, cutting, joining, state; see index_ranges.h. */
#include "engine/operators/io/index_ranges.h"

#include "common/base/failpoint.h"
#include "engine/operators/io/list_state.h"
#include "proto/operators.pb-c.h"

#include <stdlib.h>

/* ---- one range -------------------------------------------------------------------------------------- */

/* Numbers behind the next one: one less than there are, which may be 2^64. */
static uint64_t after_next(const struct index_range *r)
{
    return ((uint64_t)r->last - (uint64_t)r->next) / r->stride;
}

static int64_t at(const struct index_range *r, uint64_t i)
{
    return (int64_t)((uint64_t)r->next + i * r->stride);
}

static bool is_endless(const struct index_range *r)
{
    return r->last == INT64_MAX;
}

/* ---- the heap --------------------------------------------------------------------------------------- */

static void sift_down(struct index_range *heap, size_t n, size_t i)
{
    struct index_range moved = heap[i];

    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < n && heap[child + 1].next < heap[child].next) {
            child++;
        }
        if (child >= n || heap[child].next >= moved.next) {
            break;
        }
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moved;
}

void index_ranges_add(struct index_ranges *r, struct index_range range)
{
    if (!is_endless(&range)) {
        range.last = at(&range, after_next(&range)); /* so that neighbours are recognized */
    }
    *VEC_PUSH(&r->heap, struct index_range) = range;
    struct index_range *heap = r->heap.data;
    for (size_t i = r->heap.len - 1; i > 0 && heap[i].next < heap[(i - 1) / 2].next;
         i = (i - 1) / 2) {
        struct index_range above = heap[(i - 1) / 2];
        heap[(i - 1) / 2] = heap[i];
        heap[i] = above;
    }
}

bool index_ranges_is_empty(const struct index_ranges *r)
{
    return r->heap.len == 0;
}

int64_t index_ranges_left(const struct index_ranges *r)
{
    uint64_t left = 0;

    for (size_t i = 0; i < r->heap.len && left < INT64_MAX; i++) {
        uint64_t more = after_next(VEC_AT(&r->heap, struct index_range, i));
        left += MIN(more, (uint64_t)INT64_MAX - 1) + 1; /* no overflow: each is below 2^63 */
    }
    return (int64_t)MIN(left, (uint64_t)INT64_MAX);
}

uint32_t index_ranges_take(struct index_ranges *r, uint32_t max, int64_t *ret_from,
                           uint64_t *ret_stride)
{
    struct index_range *first = r->heap.data;

    if (r->heap.len == 0) {
        return 0;
    }
    if (r->heap.len > 1 && first->stride > 1) {
        max = MIN(max, (uint32_t)INDEX_RUN);
    }
    uint64_t more = after_next(first);
    uint32_t n = (uint32_t)MIN(more, (uint64_t)max - 1) + 1;
    *ret_from = first->next;
    *ret_stride = first->stride;
    if (more < n) {
        *first = *VEC_AT(&r->heap, struct index_range, r->heap.len - 1);
        vec_pop(&r->heap);
    } else {
        first->next = at(first, n);
    }
    if (r->heap.len > 1) {
        sift_down(first, r->heap.len, 0);
    }
    return n;
}

/* ---- pieces ----------------------------------------------------------------------------------------- */

/* The largest power of two up to n (> 0). */
static uint64_t power_of_two(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n));
}

/* The numbers are dealt out in turn, as at the start of a job: pieces advance side by side, and a number
 * and the one that follows it by a multiple of the pieces stay with one subtask.  However often they are cut, strides
 * stay the first ones times powers of two, so that such a multiple can be told beforehand. */
static void cut(const struct index_range *r, uint64_t n_pieces, struct vec *ret_pieces)
{
    uint64_t more = after_next(r);
    uint64_t n = power_of_two(MIN(n_pieces - 1, more) + 1), stride = 0;

    if (__builtin_mul_overflow(r->stride, n, &stride)) {
        *VEC_PUSH(ret_pieces, struct index_range) = *r; /* strides near 2^64: it stays whole */
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        int64_t last = is_endless(r) ? INT64_MAX : at(r, i + (more - i) / n * n);
        *VEC_PUSH(ret_pieces, struct index_range) = (struct index_range){at(r, i), last, stride};
    }
}

void index_ranges_pieces(const struct index_ranges *r, struct vec *ret_pieces)
{
    uint64_t each = r->heap.len > 0 ? MAX(INDEX_PIECES / r->heap.len, (size_t)1) : 1;

    for (size_t i = 0; i < r->heap.len; i++) {
        cut(VEC_AT(&r->heap, struct index_range, i), each, ret_pieces);
    }
}

static int by_next(const void *a, const void *b)
{
    const struct index_range *x = a, *y = b;

    return x->next < y->next ? -1 : x->next > y->next;
}

/* Do the ends of `k` ranges fit the turns of one progression?  *ret_last: its end. */
static bool ends_fit(const struct index_range *first, size_t k, uint64_t distance,
                     int64_t *ret_last)
{
    int64_t last = first[0].last;
    for (size_t i = 1; i < k; i++) {
        last = MAX(last, first[i].last);
    }
    for (size_t i = 0; i < k; i++) {
        uint64_t missing = (uint64_t)last - (uint64_t)first[i].last;
        if (is_endless(&first[i]) != (last == INT64_MAX) ||
            (last != INT64_MAX && (missing >= first[i].stride || missing % distance != 0))) {
            return false;
        }
    }
    *ret_last = last;
    return true;
}

/* How many ranges from `first` on are the turns of one, with the distance of the first two as stride. */
static size_t turns(const struct index_range *first, size_t n, int64_t *ret_last)
{
    *ret_last = first[0].last;
    if (n < 2) {
        return 1;
    }
    uint64_t distance = (uint64_t)first[1].next - (uint64_t)first[0].next;
    if (distance == 0 || first[0].stride % distance != 0 || first[0].stride / distance > n) {
        return 1;
    }
    size_t k = (size_t)(first[0].stride / distance);
    for (size_t i = 1; i < k; i++) {
        if (first[i].stride != first[0].stride ||
            (uint64_t)first[i].next - (uint64_t)first[i - 1].next != distance) {
            return 1;
        }
    }
    return k > 1 && ends_fit(first, k, distance, ret_last) ? k : 1;
}

void index_ranges_join(struct vec *inout)
{
    struct index_range *ranges = inout->data;
    size_t n = 0;

    if (inout->len == 0) {
        return;
    }
    qsort(ranges, inout->len, sizeof(ranges[0]), by_next);
    for (size_t i = 0; i < inout->len;) {
        struct index_range r = ranges[i];
        size_t k = turns(&ranges[i], inout->len - i, &r.last);
        r.stride /= k;
        i += k;
        struct index_range *before = n > 0 ? &ranges[n - 1] : NULL;
        if (before != NULL && before->stride == r.stride && before->last < r.next &&
            (uint64_t)r.next - (uint64_t)before->last == r.stride) {
            before->last = r.last;
        } else {
            ranges[n++] = r;
        }
    }
    inout->len = n;
}

/* ---- state ------------------------------------------------------------------------------------------ */

static int load_range(struct slice bytes, struct vec *ret, struct error *err)
{
    Flinc__IndexRange *m = flinc__index_range__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    bool good = m != NULL && m->next <= m->last && m->stride > 0;

    if (good) {
        *VEC_PUSH(ret, struct index_range) = (struct index_range){m->next, m->last, m->stride};
    }
    flinc__index_range__free_unpacked(m, NULL);
    return good ? 0
                : error_set(err, ERR_CORRUPT,
                            "a range of numbers in the checkpoint is damaged; restore from another "
                            "one");
}

static int load(struct index_ranges *r, struct error *err)
{
    struct vec ranges = VEC_INIT(struct index_range);
    int rc = 0;

    for (size_t i = 0; i < operator_list_len(r->left) && rc == 0; i++) {
        rc = load_range(operator_list_get(r->left, i), &ranges, err);
    }
    if (rc == 0) {
        index_ranges_join(&ranges);
    }
    for (size_t i = 0; i < ranges.len && rc == 0; i++) {
        struct index_range *range = VEC_AT(&ranges, struct index_range, i);
        if (after_next(range) > 0 && PLANTED("source.range_skips")) {
            range->next = at(range, 1);
        }
        index_ranges_add(r, *range);
    }
    vec_fini(&ranges);
    return rc;
}

int index_ranges_open(struct index_ranges *r, struct op_context *ctx,
                      const struct index_range *share, struct error *err)
{
    vec_init(&r->heap, sizeof(struct index_range));
    TRY(list_state_open(ctx, "ranges", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, &r->left,
                        err));
    /* A subtask may get no range, because all are made: that is not a beginning. */
    TRY(list_state_open(ctx, "started", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION,
                        &r->started, err));
    if (r->started != NULL && operator_list_len(r->started) > 0) {
        return load(r, err);
    }
    if (share != NULL) {
        index_ranges_add(r, *share);
    }
    return 0;
}

void index_ranges_fini(struct index_ranges *r)
{
    vec_fini(&r->heap);
}

static int save_range(struct operator_list *list, const struct index_range *r, struct error *err)
{
    Flinc__IndexRange m = FLINC__INDEX_RANGE__INIT;
    uint8_t bytes[64];

    m.next = r->next;
    m.last = r->last;
    m.stride = r->stride;
    size_t size = flinc__index_range__get_packed_size(&m);
    ASSERT(size <= sizeof(bytes));
    flinc__index_range__pack(&m, bytes);
    return operator_list_add(list, bytes, size, err);
}

int index_ranges_snapshot(struct index_ranges *r, struct error *err)
{
    struct vec pieces = VEC_INIT(struct index_range);
    int rc = 0;

    if (r->left == NULL) {
        return 0;
    }
    TRY(FAILPOINT(err, "source.ranges.snapshot"));
    index_ranges_pieces(r, &pieces);
    operator_list_clear(r->left);
    for (size_t i = 0; i < pieces.len && rc == 0; i++) {
        rc = save_range(r->left, VEC_AT(&pieces, struct index_range, i), err);
    }
    vec_fini(&pieces);
    TRY(rc);
    operator_list_clear(r->started);
    return operator_list_add(r->started, "1", 1, err);
}
