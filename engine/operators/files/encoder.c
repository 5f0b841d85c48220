/* The table of file formats; see encoder.h. */
#include "engine/operators/files/encoder.h"

#include "engine/operators/files/packer.h"

static const struct file_encoder_desc *const formats[] = {
    &file_encoder_csv,
    &file_encoder_json,
    &file_encoder_text,
};

const struct file_encoder_desc *file_encoder_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (strcmp(formats[i]->name, name) == 0) {
            return formats[i];
        }
    }
    return NULL;
}

void file_encoder_names(struct str *out)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        str_printf(out, "%s%s", i > 0 ? ", " : "", formats[i]->name);
    }
}

static const struct file_encoder_desc *find(const Flinc__FileSinkConfig *config)
{
    return config->table_format != NULL ? &file_encoder_table : file_encoder_find(config->format);
}

int file_encoder_check(const Flinc__FileSinkConfig *config, const struct schema *schema,
                       struct error *err)
{
    const struct file_encoder_desc *d = find(config);
    STR_AUTO names = STR_INIT;

    if (d == NULL) {
        file_encoder_names(&names);
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "there is no file format '%s'; the formats are %s", config->format,
                         str_cstr(&names));
    }
    if (!config->bulk && !d->is_appendable) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the file format '%s' is a bulk format; say .bulk = true", d->name);
    }
    if (config->has_encoder && !d->takes_function) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the file format '%s' takes no encoder; leave .encoder out, or write "
                         "\"text\"",
                         d->name);
    }
    TRY(file_packer_check(config->compression, err));
    if (config->compression[0] != '\0' && !config->bulk) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "row formats are not compressed, as their files are added to; say .bulk = "
                         "true");
    }
    return schema != NULL && d->check != NULL ? d->check(schema, config, err) : 0;
}

int file_encoder_new(const struct file_encoder_context *c, struct file_encoder **ret_encoder,
                     struct error *err)
{
    TRY(file_encoder_check(c->config, c->schema, err));
    const struct file_encoder_desc *d = find(c->config);
    struct file_encoder *e = mem_zalloc(d->instance_size);
    e->desc = d;
    int rc = d->open(e, c, err);
    if (rc < 0) {
        file_encoder_free(e);
        return rc;
    }
    *ret_encoder = e;
    return 0;
}

struct file_encoder *file_encoder_free(struct file_encoder *e)
{
    if (e != NULL) {
        e->desc->close(e);
        mem_free(e);
    }
    return NULL;
}
