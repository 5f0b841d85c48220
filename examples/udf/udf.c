/* Functions of SQL in C: one of each kind.
 *
 *   cc -O2 -fPIC -shared $(bin/flinc-config --cflags) examples/udf/udf.c -o udf.so
 *
 *   CREATE FUNCTION count_char AS 'count_char' LANGUAGE C USING JAR '/path/udf.so';
 *   CREATE FUNCTION split_words AS 'split' LANGUAGE C USING JAR '/path/udf.so';
 *   CREATE FUNCTION weighted_avg AS 'weighted_avg' LANGUAGE C USING JAR '/path/udf.so';
 *
 *   SELECT count_char(line, 'a') FROM lines;
 *   SELECT word, length FROM lines, LATERAL TABLE(split_words(line, ' '));
 *   SELECT weighted_avg(price, amount) FROM sales;
 *
 * docs/guide/user-functions.md explains them. */
#include <flinc/udf.h>

/* ---- count_char(text, character): how often it is there ---------------------------------------------- */

/* Eight bytes at a time: a byte of x is 0x80 where the byte of the word is the one that is looked for. */
static int64_t count_byte(flinc_string s, char c)
{
    const uint64_t ones = 0x0101010101010101u, sevens = 0x7f7f7f7f7f7f7f7fu;
    const uint64_t pattern = ones * (uint8_t)c;
    int64_t n = 0;
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t word, x;
        memcpy(&word, s.data + i, 8);
        word ^= pattern;
        x = ~(((word & sevens) + sevens) | word | sevens);
        n += (int64_t)(((x >> 7) * ones) >> 56);
    }
    for (; i < s.len; i++) {
        n += s.data[i] == c;
    }
    return n;
}

static int count_char_eval(void *instance, const flinc_udf_batch *in, flinc_udf_result *out,
                           flinc_udf_error *error)
{
    const flinc_udf_column *text = &in->args[0], *character = &in->args[1];
    (void)instance;
    for (uint32_t i = 0; i < in->n; i++) {
        const uint32_t row = flinc_udf_row(in, i);
        const flinc_string c = flinc_udf_string(character, row);
        if (c.len != 1) {
            return flinc_udf_fail(error, FLINC_UDF_INVALID,
                                  "'%.*s' is not one character: the second argument is one byte",
                                  (int)(c.len < 32 ? c.len : 32), c.data);
        }
        flinc_udf_put_int64(out, row, count_byte(flinc_udf_string(text, row), c.data[0]));
    }
    return FLINC_UDF_OK;
}

FLINC_SCALAR_FUNCTION(count_char, .description = "how often a character is in a text",
                      .arguments = "STRING, STRING", .result = "BIGINT", .eval = count_char_eval);

/* ---- reverse(text): its bytes from behind; a result of strings ---------------------------------------- */

static int reverse_eval(void *instance, const flinc_udf_batch *in, flinc_udf_result *out,
                        flinc_udf_error *error)
{
    (void)instance;
    (void)error;
    for (uint32_t i = 0; i < in->n; i++) {
        const uint32_t row = flinc_udf_row(in, i);
        const flinc_string s = flinc_udf_string(&in->args[0], row);
        char *to = flinc_udf_begin_string(out, s.len);
        for (size_t k = 0; k < s.len; k++) {
            to[k] = s.data[s.len - 1 - k];
        }
        flinc_udf_end_string(out, row, s.len);
    }
    return FLINC_UDF_OK;
}

FLINC_SCALAR_FUNCTION(reverse_bytes, .description = "the bytes of a text from behind",
                      .arguments = "STRING", .result = "STRING", .eval = reverse_eval);

/* ---- split(text, separator): a row per part ------------------------------------------------------------ */

static int split_call(void *instance, const flinc_udf_batch *in, flinc_udf_rows *to,
                      flinc_udf_error *error)
{
    (void)instance;
    for (uint32_t i = 0; i < in->n; i++) {
        const uint32_t row = flinc_udf_row(in, i);
        const flinc_string text = flinc_udf_string(&in->args[0], row);
        const flinc_string separator = flinc_udf_string(&in->args[1], row);
        flinc_string part;
        if (separator.len != 1) {
            return flinc_udf_fail(error, FLINC_UDF_INVALID, "the separator is one byte, not %zu",
                                  separator.len);
        }
        for (size_t start = 0, end; start <= text.len; start = end + 1) {
            const char *at =
                text.len > start
                    ? (const char *)memchr(text.data + start, separator.data[0], text.len - start)
                    : NULL;
            end = at != NULL ? (size_t)(at - text.data) : text.len;
            part.data = text.data + start;
            part.len = end - start;
            if (part.len == 0) {
                continue;
            }
            if (flinc_udf_begin_row(to, row) != 0) {
                return FLINC_UDF_UNAVAILABLE;
            }
            flinc_out_put_string(to->out, 0, part);
            flinc_out_put_int32(to->out, 1, (int32_t)part.len);
            if (flinc_udf_end_row(to) != 0) {
                return FLINC_UDF_UNAVAILABLE;
            }
        }
    }
    return FLINC_UDF_OK;
}

FLINC_TABLE_FUNCTION(split, .description = "the parts of a text that are not empty",
                     .arguments = "STRING, STRING", .result = "ROW<word STRING, length INT>",
                     .call = split_call);

/* ---- weighted_avg(value, weight) ------------------------------------------------------------------------- */

struct weighted {
    double sum, weight;
};

static int weighted_add(void *instance, const flinc_udf_batch *in, const flinc_udf_states *states,
                        flinc_udf_error *error)
{
    (void)instance;
    (void)error;
    for (uint32_t i = 0; i < in->n; i++) {
        const uint32_t row = flinc_udf_row(in, i);
        struct weighted *s = (struct weighted *)flinc_udf_state(states, i);
        const double weight = flinc_udf_double(&in->args[1], row);
        s->sum += flinc_udf_double(&in->args[0], row) * weight;
        s->weight += weight;
    }
    return FLINC_UDF_OK;
}

static int weighted_retract(void *instance, const flinc_udf_batch *in,
                            const flinc_udf_states *states, flinc_udf_error *error)
{
    (void)instance;
    (void)error;
    for (uint32_t i = 0; i < in->n; i++) {
        const uint32_t row = flinc_udf_row(in, i);
        struct weighted *s = (struct weighted *)flinc_udf_state(states, i);
        const double weight = flinc_udf_double(&in->args[1], row);
        s->sum -= flinc_udf_double(&in->args[0], row) * weight;
        s->weight -= weight;
    }
    return FLINC_UDF_OK;
}

static int weighted_merge(void *instance, const flinc_udf_states *to, const flinc_udf_states *from,
                          uint32_t n, flinc_udf_error *error)
{
    (void)instance;
    (void)error;
    for (uint32_t i = 0; i < n; i++) {
        struct weighted *into = (struct weighted *)flinc_udf_state(to, i);
        const struct weighted *of = (const struct weighted *)flinc_udf_state(from, i);
        into->sum += of->sum;
        into->weight += of->weight;
    }
    return FLINC_UDF_OK;
}

static int weighted_finish(void *instance, const flinc_udf_states *states, uint32_t n,
                           flinc_udf_result *out, flinc_udf_error *error)
{
    (void)instance;
    (void)error;
    for (uint32_t i = 0; i < n; i++) {
        const struct weighted *s = (const struct weighted *)flinc_udf_state(states, i);
        if (s->weight == 0) {
            out->set_null(out, i);
        } else {
            flinc_udf_put_double(out, i, s->sum / s->weight);
        }
    }
    return FLINC_UDF_OK;
}

FLINC_AGGREGATE_FUNCTION(weighted_avg, .description = "the mean of values by their weights",
                         .arguments = "DOUBLE, DOUBLE", .result = "DOUBLE",
                         .state_size = sizeof(struct weighted), .add = weighted_add,
                         .retract = weighted_retract, .merge = weighted_merge,
                         .finish = weighted_finish);
