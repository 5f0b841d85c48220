/* Which formats there are; see format.h.  Thread: filled by main, read by any. */
#include "formats/csv/csv.h"
#include "formats/inside.h"
#include "formats/json/json.h"
#include "formats/raw/raw.h"

static const flinc_format *const in_tree[] = {&format_csv, &format_json, &format_raw};
static const flinc_format *others[FORMATS_MAX]; /* of third parties, for ever */
static size_t n_others;

static const flinc_format *nth(size_t i)
{
    return i < ARRAY_LEN(in_tree)              ? in_tree[i]
           : i - ARRAY_LEN(in_tree) < n_others ? others[i - ARRAY_LEN(in_tree)]
                                               : NULL;
}

const flinc_format *format_find(struct slice name)
{
    const flinc_format *f;

    for (size_t i = 0; (f = nth(i)) != NULL; i++) {
        if (slice_eq_cstr(name, f->name)) {
            return f;
        }
    }
    return NULL;
}

void format_names(struct str *out)
{
    const flinc_format *f;

    for (size_t i = 0; (f = nth(i)) != NULL; i++) {
        str_printf(out, "%s%s", i > 0 ? ", " : "", f->name);
    }
}

int format_require(const char *name, const flinc_format **ret_format, struct error *err)
{
    const char *names[ARRAY_LEN(in_tree) + FORMATS_MAX];
    STR_AUTO list = STR_INIT;
    const flinc_format *f = format_find(slice_cstr(name));
    size_t n = 0;

    if (f != NULL) {
        *ret_format = f;
        return 0;
    }
    while ((f = nth(n)) != NULL) {
        str_printf(&list, "%s%s", n > 0 ? "\n" : "", f->name);
        names[n++] = f->name;
    }
    const char *nearest = cstr_nearest(name, names, n);
    return error_set(err, ERR_NOT_FOUND,
                     "Could not find any format factory for identifier '%.80s'%s%s%s.\n\n"
                     "Available factory identifiers are:\n\n%s",
                     name, nearest != NULL ? ", did you mean '" : "",
                     nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "", str_cstr(&list));
}

/* ---- third parties ------------------------------------------------------------------------------------------ */

static bool is_name(const char *s)
{
    size_t n = s != NULL ? strlen(s) : 0;
    return n > 0 && n <= FLINC_FORMAT_NAME_MAX &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == n;
}

static int check_options(const flinc_format *f, const char *path, struct error *err)
{
    if (f->n_options > FLINC_FORMAT_OPTIONS_MAX || (f->n_options > 0 && f->options == NULL)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: the format '%s' has no proper table of options", path, f->name);
    }
    for (uint32_t i = 0; i < f->n_options; i++) {
        const flinc_format_option *o = &f->options[i];
        if (!is_name(o->name) || o->type > FLINC_OPTION_CHAR ||
            (o->type == FLINC_OPTION_ENUM) != (o->values != NULL)) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "%s: option %u of the format '%s' has no proper name, type or values",
                             path, i, f->name);
        }
    }
    return 0;
}

static int check_functions(const flinc_format *f, const char *path, struct error *err)
{
    bool reads = f->decoder_open != NULL && f->decode != NULL && f->decoder_close != NULL;
    bool writes = f->encoder_open != NULL && f->encode != NULL && f->encoder_close != NULL;

    if ((f->flags & FLINC_FORMAT_ENGINE) != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: the format '%s' says that it is one of Flinc's own", path, f->name);
    }
    if ((!reads && !writes) || (f->reads != 0) != reads || (f->writes != 0) != writes ||
        f->framing == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: a function that the format '%s' must have is missing", path, f->name);
    }
    return 0;
}

int format_register(const flinc_format *theirs, const char *path, struct error *err)
{
    if (theirs == NULL || theirs->abi_version != FLINC_FORMAT_ABI_VERSION) {
        return error_set(err, ERR_UNSUPPORTED,
                         "%s was built for version %u of the interface of formats, this is version "
                         "%d: build it again with the headers of this version, or upgrade",
                         path, theirs != NULL ? theirs->abi_version : 0, FLINC_FORMAT_ABI_VERSION);
    }
    if (theirs->struct_size < sizeof(flinc_format) || !is_name(theirs->name)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: its table has %u bytes, or no proper name; build it again with the "
                         "headers of this version",
                         path, theirs->struct_size);
    }
    TRY(check_options(theirs, path, err));
    TRY(check_functions(theirs, path, err));
    if (format_find(slice_cstr(theirs->name)) != NULL) {
        return error_set(err, ERR_ALREADY_EXISTS,
                         "%s: there is a format '%s' already; take one of them out", path,
                         theirs->name);
    }
    if (n_others == ARRAY_LEN(others)) {
        return error_set(err, ERR_LIMIT, "%s: more than %zu formats", path, ARRAY_LEN(others));
    }
    others[n_others++] = theirs;
    return 0;
}
