/* Lines of text: by a format function of the job, else as Flink prints a record ("(a,1)").
 * Thread: the task's.  Flink: SimpleStringEncoder, Encoder. */
#include "engine/operators/files/encoder.h"
#include "engine/operators/io/row_text.h"
#include "engine/operators/row_reader.h"
#include "engine/operators/user_function.h"

struct text_encoder {
    struct file_encoder base;
    struct user_function *function; /* Borrows; NULL: none */
    struct row_reader reader;
};

typedef int (*format_fn)(flinc_ctx *ctx, const void *in, flinc_text *out);

static int text_open(struct file_encoder *base, const struct file_encoder_context *c,
                     struct error *err)
{
    struct text_encoder *e = CONTAINER_OF(base, struct text_encoder, base);

    e->function = c->function;
    if (e->function == NULL) {
        return 0;
    }
    if (c->config->record == NULL) {
        return error_set(err, ERR_PARSE, "a format function without the struct that it reads");
    }
    return row_reader_init(&e->reader, c->config->record, c->schema,
                           "the input of the format function", err);
}

static void text_close(struct file_encoder *base)
{
    row_reader_fini(&CONTAINER_OF(base, struct text_encoder, base)->reader);
}

static int encode_by_function(struct text_encoder *e, const struct batch *b, struct str *out,
                              struct error *err)
{
    struct user_function *fn = e->function;
    format_fn call = (format_fn)fn->call;
    struct flinc_text text = {*out};
    uint32_t n = 0;
    int rc = 0;

    row_reader_start(&e->reader, b);
    while (rc >= 0 && (rc = row_reader_next(&e->reader, &n, err)) == 0 && n > 0) {
        for (uint32_t i = 0; i < n && rc >= 0; i++) {
            if (UNLIKELY(user_function_check_cancelled(fn, err) < 0)) {
                *out = text.str;
                return ERR_CANCELLED;
            }
            rc = call(&fn->ctx, row_reader_row(&e->reader, i), &text);
            str_append_char(&text.str, '\n');
        }
        rc = rc < 0 ? user_function_failed(fn, rc, err) : user_function_check(fn, err);
    }
    *out = text.str;
    return MIN(rc, 0);
}

static int text_encode(struct file_encoder *base, void *part, const struct batch *b,
                       struct str *out, struct error *err)
{
    struct text_encoder *e = CONTAINER_OF(base, struct text_encoder, base);

    (void)part;
    if (e->function != NULL) {
        return encode_by_function(e, b, out, err);
    }
    for (uint32_t i = 0; i < b->n_sel; i++) {
        row_text_append(out, b, batch_row(b, i));
        str_append_char(out, '\n');
    }
    return 0;
}

const struct file_encoder_desc file_encoder_text = {
    .name = "text",
    .is_appendable = true,
    .takes_function = true,
    .instance_size = sizeof(struct text_encoder),
    .open = text_open,
    .close = text_close,
    .encode = text_encode,
};
