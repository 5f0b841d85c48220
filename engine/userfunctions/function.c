/* Functions of libraries as rows: looked for, checked, given types. */
#include "common/base/map.h"
#include "engine/userfunctions/inside.h"
#include "formats/format.h"

#include <pthread.h>

static struct {
    pthread_mutex_t lock;
    struct map by_wire_name; /* struct user_function *; for ever */
    bool is_made;
} functions = {.lock = PTHREAD_MUTEX_INITIALIZER};

int user_function_result(const struct user_function *f, int code, const flinc_udf_error *why,
                         const char *doing, struct error *err)
{
    static const int codes[] = {0, ERR_INVALID_ARGUMENT, ERR_UNAVAILABLE, ERR_TOO_LARGE};
    if (code == 0) {
        return 0;
    }
    const int ours = code > 0 && code < (int)ARRAY_LEN(codes) ? codes[code] : ERR_UNAVAILABLE;
    return error_set(err, ours, "user function '%s' (symbol '%s' of %s), %s: %.*s", f->name,
                     f->symbol, f->library, doing, FLINC_UDF_MESSAGE_MAX - 1,
                     why->message[0] != '\0' ? why->message : "it failed without a reason");
}

/* ---- types ------------------------------------------------------------------------------------------ */

/* What the library says of the result. */
static int declared_type(const struct user_function *f, const struct expr *const *args,
                         uint32_t n_args, struct data_type **ret, struct error *err)
{
    const struct data_type **types = mem_alloc((n_args + 1) * sizeof(*types));
    char text[FLINC_UDF_TYPE_MAX] = {0};
    flinc_udf_error why = {{0}};
    flinc_udf_call call;
    struct arena arena;
    if (f->udf.result != NULL) {
        mem_free(types);
        return type_parse(slice_cstr(f->udf.result), ret, err);
    }
    for (uint32_t i = 0; i < n_args; i++) {
        types[i] = args[i]->type;
    }
    arena_init(&arena, 0);
    user_call_describe(&arena, f, types, args, n_args, NULL, &call);
    int code = f->udf.infer(&call, text, &why);
    int rc = user_function_result(f, code, &why, "telling its type", err);
    text[sizeof(text) - 1] = '\0';
    rc = rc < 0 ? rc : type_parse(slice_cstr(text), ret, err);
    if (rc < 0 && code == 0) {
        error_context(err, "reading the type '%.200s' that the user function '%s' tells", text,
                      f->name);
    }
    arena_fini(&arena);
    mem_free(types);
    return rc;
}

static bool is_nullable(const struct user_function *f, const struct data_type *declared,
                        const struct expr *const *args, uint32_t n_args)
{
    bool nullable = (f->udf.flags & FLINC_UDF_NULLABLE) != 0;
    if (f->udf.kind != FLINC_UDF_SCALAR) {
        return true; /* of no rows; of rows that LEFT JOIN makes */
    }
    if ((f->udf.flags & FLINC_UDF_CALLED_ON_NULL) != 0) {
        return declared->nullable;
    }
    for (uint32_t i = 0; i < n_args; i++) {
        nullable |= args[i]->type->nullable;
    }
    return nullable;
}

static bool is_constructed(const struct data_type *t)
{
    return t->layout == LAYOUT_LIST || t->layout == LAYOUT_MAP || t->layout == LAYOUT_STRUCT ||
           t->layout == LAYOUT_NULL;
}

static int infer(const struct expr_function *function, struct expr_pool *pool,
                 const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                 struct error *err)
{
    const struct user_function *f = user_function_of(function);
    struct data_type *declared;
    (void)pool;
    TRY(declared_type(f, args, n_args, &declared, err));
    bool bad = f->udf.kind != FLINC_UDF_TABLE && is_constructed(declared);
    for (uint32_t i = 0; f->udf.kind == FLINC_UDF_TABLE && i < declared->n_children; i++) {
        bad |= is_constructed(declared->children[i]) || declared->id != TYPE_ROW;
    }
    if (bad) {
        STR_AUTO text = STR_INIT;
        type_print(declared, &text);
        type_unref(declared);
        return error_set(err, ERR_UNSUPPORTED,
                         "not supported yet: the user function '%s' gives nested values (%s)",
                         f->name, str_cstr(&text));
    }
    *ret = type_with_nullable(declared, is_nullable(f, declared, args, n_args));
    type_unref(declared);
    return 0;
}

/* ---- checks ----------------------------------------------------------------------------------------- */

static int misdeclared(const struct user_function *f, const char *how, struct error *err)
{
    return error_set(err, ERR_INVALID_ARGUMENT,
                     "the function '%s' of %s does not keep to flinc/udf.h: %s", f->symbol, f->file,
                     how);
}

static const char *aggregate_fault(const flinc_udf *u)
{
    const uint32_t n_saving = (u->save != NULL) + (u->load != NULL) + (u->destroy != NULL);
    return u->add == NULL || u->merge == NULL || u->finish == NULL
               ? "an aggregate function has add(), merge() and finish()"
           : u->state_size == 0 || u->state_size > FLINC_UDF_STATE_MAX
               ? "its state has 1 to 64 bytes; a larger one points to its memory"
           : n_saving != 0 && n_saving != 3 ? "save(), load() and destroy() come together"
                                            : NULL;
}

static int check_parts(const struct user_function *f, struct error *err)
{
    const flinc_udf *u = &f->udf;
    const char *fault = NULL;
    switch (u->kind) {
    case FLINC_UDF_SCALAR:
        fault = u->eval == NULL ? "a scalar function has eval()" : NULL;
        break;
    case FLINC_UDF_TABLE:
        fault = u->call == NULL ? "a table function has call()" : NULL;
        break;
    case FLINC_UDF_AGGREGATE:
        fault = aggregate_fault(u);
        break;
    default:
        fault = "it is of an unknown kind";
    }
    fault = fault != NULL                             ? fault
            : u->arguments == NULL                    ? "it declares no arguments"
            : u->result == NULL && u->infer == NULL   ? "it has neither result nor infer()"
            : (u->open == NULL) != (u->close == NULL) ? "open() and close() come together"
                                                      : NULL;
    return fault == NULL ? 0 : misdeclared(f, fault, err);
}

static int check_texts(const struct user_function *f, struct error *err)
{
    struct data_type *type = NULL;
    TRY_CTX(err, expr_signatures_check(f->udf.arguments, err),
            "checking the arguments of the function '%s' of %s", f->symbol, f->file);
    if (f->udf.result != NULL) {
        TRY_CTX(err, type_parse(slice_cstr(f->udf.result), &type, err),
                "checking the result '%s' of the function '%s' of %s", f->udf.result, f->symbol,
                f->file);
        type_unref(type);
    }
    return 0;
}

/* Nothing but magic, size and version is read before they fit. */
static int copy_descriptor(struct user_function *f, const flinc_udf *theirs, struct error *err)
{
    if (theirs->magic != FLINC_UDF_MAGIC) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the symbol '%s' of %s is no function of SQL: declare it by a macro of "
                         "flinc/udf.h",
                         f->symbol, f->file);
    }
    if (theirs->abi_version != FLINC_UDF_ABI_VERSION) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the function '%s' of %s was built for version %u of flinc/udf.h; this is "
                         "version %d: build it with these headers (bin/flinc-config --cflags)",
                         f->symbol, f->file, theirs->abi_version, FLINC_UDF_ABI_VERSION);
    }
    if (theirs->struct_size < offsetof(flinc_udf, state_size)) {
        return misdeclared(f, "its descriptor is too short", err);
    }
    memcpy(&f->udf, theirs, MIN((size_t)theirs->struct_size, sizeof(f->udf)));
    TRY(check_parts(f, err));
    return check_texts(f, err);
}

/* ---- rows ------------------------------------------------------------------------------------------- */

static uint32_t row_flags(const flinc_udf *u)
{
    uint32_t flags = EXPR_FN_CAN_FAIL | EXPR_FN_DYNAMIC;
    flags |= (u->flags & FLINC_UDF_CALLED_ON_NULL) != 0 ? EXPR_FN_OWN_NULLS : 0;
    flags |= (u->flags & FLINC_UDF_NULLABLE) != 0 ? EXPR_FN_NULLABLE : 0;
    flags |= (u->flags & FLINC_UDF_NOT_DETERMINISTIC) != 0 ? EXPR_FN_VOLATILE : 0;
    return flags;
}

static void make_row(struct user_function *f)
{
    static const enum expr_function_kind kinds[] = {
        [FLINC_UDF_SCALAR] = EXPR_SCALAR,
        [FLINC_UDF_TABLE] = EXPR_TABLE_FUNCTION,
        [FLINC_UDF_AGGREGATE] = EXPR_AGGREGATE,
    };
    f->signatures = mem_strdup(f->udf.arguments);
    f->row = (struct expr_function){
        .name = f->name,
        .signatures = f->signatures,
        .kind = kinds[f->udf.kind],
        .flags = row_flags(&f->udf),
        .infer = infer,
        .bind = f->udf.kind == FLINC_UDF_SCALAR ? user_scalar_bind : NULL,
        .kernel = f->udf.kind == FLINC_UDF_SCALAR ? user_scalar_kernel : NULL,
        .aggregate = f->udf.kind == FLINC_UDF_AGGREGATE ? &user_aggregate : NULL,
        .category = "user",
        .wire_name = f->wire_name,
    };
}

static void free_function(struct user_function *f)
{
    mem_free(f->library);
    mem_free(f->symbol);
    mem_free(f->file);
    mem_free(f->name);
    mem_free(f->wire_name);
    mem_free(f);
}

static int make_function(const char *library, const char *symbol, const char *name,
                         const char *wire_name, struct user_function **ret, struct error *err)
{
    const void *address;
    const char *file;
    TRY(user_library_symbol(library, symbol, &address, &file, err));
    struct user_function *f = MEM_NEW(struct user_function);
    f->library = mem_strdup(library);
    f->symbol = mem_strdup(symbol);
    f->file = mem_strdup(file);
    f->name = mem_strdup(name);
    f->wire_name = mem_strdup(wire_name);
    int rc = copy_descriptor(f, address, err);
    if (rc < 0) {
        free_function(f);
        return rc;
    }
    make_row(f);
    *ret = f;
    return 0;
}

static int find(const char *library, const char *symbol, const char *name, const char *wire_name,
                const struct expr_function **ret, struct error *err)
{
    if (!functions.is_made) {
        map_init(&functions.by_wire_name, NULL);
        functions.is_made = true;
    }
    struct user_function *f = map_find(&functions.by_wire_name, wire_name);
    if (f == NULL) {
        if (functions.by_wire_name.len >= USER_FUNCTIONS_MAX) {
            return error_set(err, ERR_TOO_LARGE,
                             "this process has %d user functions, which is the limit: start it "
                             "anew",
                             USER_FUNCTIONS_MAX);
        }
        TRY(make_function(library, symbol, name, wire_name, &f, err));
        (void)map_put(&functions.by_wire_name, wire_name, f);
    }
    *ret = &f->row;
    return 0;
}

int user_function_find(const char *library, const char *symbol, const char *name,
                       const struct expr_function **ret, struct error *err)
{
    STR_AUTO wire_name = STR_INIT;
    if (strlen(symbol) == 0 || strlen(symbol) > USER_NAME_MAX || strlen(name) > USER_NAME_MAX ||
        strlen(library) > USER_NAME_MAX || strchr(symbol, ':') != NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "'%.255s' is no symbol of a library", symbol);
    }
    str_printf(&wire_name, EXPR_USER_FUNCTION_PREFIX "%s:%s:%s", library, symbol, name);
    pthread_mutex_lock(&functions.lock);
    int rc = find(library, symbol, name, str_cstr(&wire_name), ret, err);
    pthread_mutex_unlock(&functions.lock);
    return rc;
}

bool user_function_is_own(const struct expr_function *f)
{
    return f->infer == infer;
}

/* user:<library>:<symbol>:<name> */
static int read_wire_name(const char *wire_name, const struct expr_function **ret,
                          struct error *err)
{
    char *text = mem_strdup(wire_name + strlen(EXPR_USER_FUNCTION_PREFIX));
    char *symbol = strchr(text, ':');
    char *name = symbol != NULL ? strchr(symbol + 1, ':') : NULL;
    if (name == NULL) {
        mem_free(text);
        return error_set(err, ERR_CORRUPT, "'%.200s' names no user function", wire_name);
    }
    *symbol++ = '\0';
    *name++ = '\0';
    int rc = user_function_find(text, symbol, name, ret, err);
    mem_free(text);
    return rc;
}

void user_functions_register(void)
{
    expr_functions_set_reader(read_wire_name);
}
