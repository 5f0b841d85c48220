/* Custom partitioners: the adapter between the exchange and a user function. */
#include "engine/operators/partition_function.h"

#include "engine/operators/row_reader.h"
#include "engine/operators/user_function.h"

struct partition_function {
    struct user_functions functions;
    struct row_reader reader;
};

int partition_function_new(const Flinc__Partitioner *spec, const struct schema *schema,
                           struct op_context *ctx, struct partition_function **ret_function,
                           struct error *err)
{
    if (spec->function == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the custom partitioner behind operator '%s' names no function",
                         ctx->spec->name);
    }
    struct partition_function *p = MEM_NEW(struct partition_function);
    STR_AUTO what = STR_INIT;
    str_printf(&what, "the input of function '%s'", spec->function->name);
    int rc = user_function_resolve(&p->functions, ctx, spec->function, FLINC_FN_PARTITION, err);
    if (rc == 0) {
        rc = row_reader_init(&p->reader, spec->function_input, schema, str_cstr(&what), err);
    }
    if (rc < 0) {
        partition_function_free(p);
        return rc;
    }
    *ret_function = p;
    return 0;
}

struct partition_function *partition_function_free(struct partition_function *p)
{
    if (p != NULL) {
        user_functions_close(&p->functions);
        row_reader_fini(&p->reader);
        mem_free(p);
    }
    return NULL;
}

static COLD int wrong_channel(const struct user_function *f, int channel, uint32_t n_channels,
                              struct error *err)
{
    if (channel < 0) {
        return user_function_failed(f, channel, err);
    }
    return error_set(err, ERR_USER_CODE,
                     "partition function '%s' (%s) returned channel %d; channels are 0 to %u",
                     f->ref->name, f->ref->location, channel, n_channels - 1);
}

int partition_function_call(struct partition_function *p, const struct batch *b,
                            uint32_t n_channels, int32_t *ret_channels, struct error *err)
{
    struct user_function *f = &p->functions.items[0];
    int (*call)(flinc_ctx *, const void *, int) = (int (*)(flinc_ctx *, const void *, int))f->call;
    uint32_t n;
    row_reader_start(&p->reader, b);
    for (uint32_t at = 0;; at += n) {
        TRY(row_reader_next(&p->reader, &n, err));
        if (n == 0) {
            return user_function_check(f, err);
        }
        for (uint32_t i = 0; i < n; i++) {
            if (i % USER_CANCEL_ROWS == 0) {
                TRY(user_function_check_cancelled(f, err));
            }
            int channel = call(&f->ctx, row_reader_row(&p->reader, i), (int)n_channels);
            if (UNLIKELY(channel < 0 || (uint32_t)channel >= n_channels)) {
                return wrong_channel(f, channel, n_channels, err);
            }
            ret_channels[at + i] = channel;
        }
    }
}
