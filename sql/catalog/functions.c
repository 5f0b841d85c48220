/* Functions by name, modules and jars of the manager, see manager.h. */
#include "sql/catalog/inside.h"

/* ---- built-in functions ---------------------------------------------------------------------------------- */

static void load_builtins(struct sql_manager *m)
{
    struct text_list names = TEXT_LIST_INIT;
    if (m->has_builtins) {
        return;
    }
    m->has_builtins = true;
    if (m->resolver != NULL && m->resolver->functions != NULL) {
        m->resolver->functions(m->resolver->arg, &names);
    }
    for (size_t i = 0; i < names.n; i++) {
        char *key = mem_strdup(names.items[i]);
        sql_lower(key);
        map_put(&m->builtins, key, mem_strdup(names.items[i]));
        mem_free(key);
    }
    text_list_fini(&names);
}

static bool uses_core(const struct sql_manager *m)
{
    for (uint32_t i = 0; i < m->n_used; i++) {
        if (strcmp(m->modules.items[i], "core") == 0) {
            return true;
        }
    }
    return false;
}

static const char *find_builtin(struct sql_manager *m, struct slice name)
{
    load_builtins(m);
    char *key = mem_strndup(name.data, name.len);
    sql_lower(key);
    const char *found = uses_core(m) ? map_find(&m->builtins, key) : NULL;
    mem_free(key);
    return found;
}

bool sql_manager_is_builtin(struct sql_manager *m, struct slice name)
{
    return find_builtin(m, name) != NULL;
}

/* ---- by name --------------------------------------------------------------------------------------------- */

void sql_found_function_fini(struct sql_found_function *f)
{
    sql_entity_unref(f->function);
    mem_free(f->name);
    *f = (struct sql_found_function){.function = NULL};
}

static int found(const struct sql_entity *e, const char *name, bool is_temporary, bool is_system,
                 struct sql_found_function *ret)
{
    *ret = (struct sql_found_function){
        .function = e != NULL ? sql_entity_ref(e) : NULL,
        .name = mem_strdup(name),
        .is_temporary = is_temporary,
        .is_system = is_system,
    };
    return 1;
}

/* A name of one part, among those that need no database. */
static int find_system(struct sql_manager *m, struct slice name, struct arena *arena,
                       struct sql_found_function *ret)
{
    char *text = arena_strndup(arena, name.data, name.len);
    struct sql_identifier id = sql_system_identifier(text, arena);
    struct sql_entity *e = sql_manager_temporary(m, SQL_OBJECT_FUNCTION, &id);
    if (e != NULL) {
        sql_lower(text);
        return found(e, text, true, true, ret);
    }
    const char *builtin = find_builtin(m, name);
    return builtin != NULL ? found(NULL, builtin, false, true, ret) : 0;
}

static int find_in_catalog(struct sql_manager *m, const struct sql_identifier *id,
                           struct sql_found_function *ret, struct error *err)
{
    struct error why = ERROR_INIT;
    struct sql_catalog *c = NULL;
    struct sql_entity *e = sql_manager_temporary(m, SQL_OBJECT_FUNCTION, id);
    if (e != NULL) {
        return found(e, id->name, true, false, ret);
    }
    int rc = sql_manager_get_catalog(m, id->catalog, &c, &why);
    rc = rc < 0 ? rc : c->ops->get(c, SQL_OBJECT_FUNCTION, id->database, id->name, &e, &why);
    if (rc == 0) {
        rc = found(e, id->name, false, false, ret);
        sql_entity_unref(e);
        return rc;
    }
    if (rc != ERR_NOT_FOUND && err != NULL) {
        error_copy(err, &why);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int sql_manager_find_function(struct sql_manager *m, const struct sql_path *path,
                              struct sql_found_function *ret, struct error *err)
{
    struct arena arena;
    struct sql_identifier id;
    struct sql_error_place place = {{0, 0}};
    int rc = 0;
    arena_init(&arena, 0);
    if (path->n == 1) {
        rc = find_system(m, path->parts[0].text, &arena, ret);
    }
    if (rc == 0) {
        rc = sql_manager_qualify(m, path, &arena, &id, &place, err);
        rc = rc < 0 ? rc : find_in_catalog(m, &id, ret, err);
    }
    arena_fini(&arena);
    return rc;
}

/* ---- modules --------------------------------------------------------------------------------------------- */

static uint32_t find_module(const struct sql_manager *m, const char *name)
{
    uint32_t i = 0;
    while (i < m->modules.n && strcmp(m->modules.items[i], name) != 0) {
        i++;
    }
    return i;
}

/* Moves a module to a place; those between move by one. */
static void move_module(struct sql_manager *m, uint32_t from, uint32_t to)
{
    char **items = m->modules.items;
    char *module = items[from];
    if (from > to) {
        memmove(&items[to + 1], &items[to], (from - to) * sizeof(*items));
    } else {
        memmove(&items[from], &items[from + 1], (to - from) * sizeof(*items));
    }
    items[to] = module;
}

int sql_manager_load_module(struct sql_manager *m, const char *name,
                            const struct sql_properties *options, struct error *err)
{
    if (find_module(m, name) < m->modules.n) {
        return error_set(err, ERR_ALREADY_EXISTS, "A module with name '%s' already exists", name);
    }
    if (strcmp(name, "core") != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Could not find any module factory for identifier '%s'. Available "
                         "identifiers are: core.",
                         name);
    }
    if (options->n > 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Unsupported options found for 'core'. Unsupported options: %.*s. It has "
                         "none.",
                         (int)MIN(options->items[0].key.len, (size_t)200),
                         options->items[0].key.data);
    }
    text_list_add(&m->modules, slice_cstr(name));
    move_module(m, (uint32_t)m->modules.n - 1, m->n_used);
    m->n_used++;
    return 0;
}

static int no_module(const struct sql_manager *m, const char *name, struct error *err)
{
    STR_AUTO hint = STR_INIT;
    sql_hint(name, &m->modules, &hint);
    return error_set(err, ERR_NOT_FOUND, "No module with name '%s' exists%s%s", name,
                     hint.len > 0 ? "." : "", str_cstr(&hint));
}

int sql_manager_unload_module(struct sql_manager *m, const char *name, struct error *err)
{
    uint32_t at = find_module(m, name);
    if (at == m->modules.n) {
        return no_module(m, name, err);
    }
    move_module(m, at, (uint32_t)m->modules.n - 1);
    m->modules.n--;
    mem_free(m->modules.items[m->modules.n]);
    m->n_used -= at < m->n_used ? 1 : 0;
    return 0;
}

int sql_manager_use_modules(struct sql_manager *m, const struct text_list *names, uint32_t *ret_at,
                            struct error *err)
{
    for (uint32_t i = 0; i < names->n; i++) {
        *ret_at = i;
        if (find_module(m, names->items[i]) == m->modules.n) {
            return no_module(m, names->items[i], err);
        }
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(names->items[k], names->items[i]) == 0) {
                return error_set(err, ERR_INVALID_ARGUMENT, "Module '%s' appears more than once",
                                 names->items[i]);
            }
        }
    }
    for (uint32_t i = 0; i < names->n; i++) {
        move_module(m, find_module(m, names->items[i]), i);
    }
    m->n_used = (uint32_t)names->n;
    return 0;
}

void sql_manager_list_modules(const struct sql_manager *m, struct text_list *ret,
                              uint32_t *ret_used)
{
    for (size_t i = 0; i < m->modules.n; i++) {
        text_list_add(ret, slice_cstr(m->modules.items[i]));
    }
    *ret_used = m->n_used;
}

/* ---- jars ------------------------------------------------------------------------------------------------ */

int sql_manager_add_jar(struct sql_manager *m, const char *path, struct error *err)
{
    if (path[0] == '\0') {
        return error_set(err, ERR_INVALID_ARGUMENT, "ADD JAR needs the address of a file");
    }
    if (text_list_has(&m->jars, path)) {
        return 0;
    }
    if (m->jars.n >= SQL_JARS_MAX) {
        return error_set(err, ERR_TOO_LARGE, "The session has %d jars, which is the limit.",
                         SQL_JARS_MAX);
    }
    if (m->resolver != NULL && m->resolver->check_jar != NULL) {
        TRY(m->resolver->check_jar(m->resolver->arg, path, err));
    }
    text_list_add(&m->jars, slice_cstr(path));
    return 0;
}

int sql_manager_remove_jar(struct sql_manager *m, const char *path, struct error *err)
{
    for (size_t i = 0; i < m->jars.n; i++) {
        if (strcmp(m->jars.items[i], path) == 0) {
            mem_free(m->jars.items[i]);
            memmove(&m->jars.items[i], &m->jars.items[i + 1],
                    (m->jars.n - i - 1) * sizeof(*m->jars.items));
            m->jars.n--;
            return 0;
        }
    }
    STR_AUTO hint = STR_INIT;
    sql_hint(path, &m->jars, &hint);
    return error_set(err, ERR_NOT_FOUND, "The jar '%s' was not added to this session.%s", path,
                     str_cstr(&hint));
}

const struct text_list *sql_manager_jars(const struct sql_manager *m)
{
    return &m->jars;
}
