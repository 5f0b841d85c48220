/* Calls format functions over the rows of a batch; see line_format.h. */
#include "engine/operators/io/line_format.h"

typedef int (*format_fn)(flinc_ctx *ctx, const void *in, flinc_text *out);

int line_format_open(struct line_format *f, struct op_context *ctx, const Flinc__StructDesc *record,
                     struct error *err)
{
    static const uint32_t kinds[] = {FLINC_FN_FORMAT};

    if (record == NULL) {
        return error_set(err, ERR_PARSE, "a format function without the struct that it reads");
    }
    TRY(row_reader_init(&f->reader, record, ctx->input_schemas[0],
                        "the input of the format function", err));
    return user_functions_open(&f->functions, ctx, kinds, 1, err);
}

int line_format_batch(struct line_format *f, const struct batch *b, struct str *out,
                      struct error *err)
{
    struct user_function *fn = &f->functions.items[0];
    format_fn call = (format_fn)fn->call;
    struct flinc_text text = {*out};
    uint32_t n = 0;
    int rc = 0;

    row_reader_start(&f->reader, b);
    while (rc >= 0 && (rc = row_reader_next(&f->reader, &n, err)) == 0 && n > 0) {
        for (uint32_t i = 0; i < n && rc >= 0; i++) {
            if (UNLIKELY(user_function_check_cancelled(fn, err) < 0)) {
                *out = text.str;
                return ERR_CANCELLED;
            }
            rc = call(&fn->ctx, row_reader_row(&f->reader, i), &text);
            str_append_char(&text.str, '\n');
        }
        rc = rc < 0 ? user_function_failed(fn, rc, err) : user_function_check(fn, err);
    }
    *out = text.str;
    return MIN(rc, 0);
}

void line_format_close(struct line_format *f)
{
    user_functions_close(&f->functions);
    row_reader_fini(&f->reader);
}
