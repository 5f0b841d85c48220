/* Libraries of functions: fetched from where they are, copied, named for job graphs, asked for functions.
 * Flink: ResourceManager of the table environment, FunctionCatalog. */
#include "engine/userfunctions/userfunctions.h"
#include "sql/session/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/plugin/elf_check.h"

enum { COPY_BYTES = 256 * 1024 };

void sql_libraries_init(struct sql_libraries *l)
{
    *l = (struct sql_libraries){.own = OWNED_DIR_INIT};
    vec_init(&l->items, sizeof(void *));
}

static void library_free(struct sql_library *l)
{
    mem_free(l->address);
    mem_free(l->name);
    mem_free(l->path);
    mem_free(l);
}

void sql_libraries_fini(struct sql_libraries *l)
{
    for (size_t i = 0; i < l->items.len; i++) {
        library_free(vec_ptr(&l->items, i));
    }
    vec_fini(&l->items);
    owned_dir_remove(&l->own);
}

/* ---- files ------------------------------------------------------------------------------------------ */

static int local_version(const char *path, struct sql_library_version *ret, struct error *err)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        return error_set_errno(err, errno, "opening the library %s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is no file", path);
    }
    *ret = (struct sql_library_version){.inode = st.st_ino,
                                        .size = (uint64_t)st.st_size,
                                        .modified_ns = st.st_mtim.tv_sec * INT64_C(1000000000) +
                                                       st.st_mtim.tv_nsec};
    return 0;
}

static int copy_bytes(int from, int to, const char *source, uint64_t *ret_hash, struct error *err)
{
    char *buf = mem_alloc(COPY_BYTES);
    uint64_t hash = 0;
    int rc = 0;
    for (ssize_t n; rc == 0 && (n = read(from, buf, COPY_BYTES)) != 0;) {
        if (n < 0) {
            rc = errno == EINTR ? 0 : error_set_errno(err, errno, "reading the library %s", source);
            continue;
        }
        hash = hash_bytes(buf, (size_t)n, hash);
        for (ssize_t done = 0; rc == 0 && done < n;) {
            const ssize_t w = write(to, buf + done, (size_t)(n - done));
            rc = w < 0 && errno != EINTR
                     ? error_set_errno(err, errno, "copying the library %s", source)
                     : 0;
            done += w > 0 ? w : 0;
        }
    }
    mem_free(buf);
    *ret_hash = hash;
    return rc;
}

static int copy_file(const char *source, const char *target, uint64_t *ret_hash, struct error *err)
{
    int from = open(source, O_RDONLY | O_CLOEXEC);
    if (from < 0) {
        return error_set_errno(err, errno, "opening the library %s", source);
    }
    int to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    int rc = to < 0 ? error_set_errno(err, errno, "copying the library %s to %s", source, target)
                    : copy_bytes(from, to, source, ret_hash, err);
    close(from);
    if (to >= 0 && close(to) < 0 && rc == 0) {
        rc = error_set_errno(err, errno, "copying the library %s to %s", source, target);
    }
    return rc;
}

/* What of the file's name can stand in a name of a graph. */
static void append_file_name(const char *source, struct str *out)
{
    const char *slash = strrchr(source, '/');
    const char *name = slash != NULL ? slash + 1 : source;
    for (size_t i = 0; name[i] != '\0' && i < 100; i++) {
        const bool keep = (name[i] >= '0' && name[i] <= '9') ||
                          (name[i] >= 'a' && name[i] <= 'z') ||
                          (name[i] >= 'A' && name[i] <= 'Z') || strchr("._-", name[i]) != NULL;
        str_append_char(out, keep ? name[i] : '_');
    }
}

/* A copy under a name of its bytes. */
static int take_in(struct sql_libraries *all, const char *source, struct sql_library *ret,
                   struct error *err)
{
    STR_AUTO first = STR_INIT;
    STR_AUTO path = STR_INIT;
    STR_AUTO name = STR_INIT;
    uint64_t hash = 0;
    str_printf(&first, "%s/library-%d-%zu", all->dir, (int)getpid(), all->items.len);
    (void)unlink(str_cstr(&first));
    TRY(copy_file(source, str_cstr(&first), &hash, err));
    str_printf(&name, "%016llx-", (unsigned long long)hash);
    append_file_name(source, &name);
    str_printf(&path, "%s/%s", all->dir, str_cstr(&name));
    if (rename(str_cstr(&first), str_cstr(&path)) < 0) {
        return error_set_errno(err, errno, "naming the copy of the library %s", source);
    }
    ret->name = mem_strdup(str_cstr(&name));
    ret->path = mem_strdup(str_cstr(&path));
    return user_library_add(ret->name, ret->path, err);
}

static const struct sql_library *known_library(const struct sql_libraries *all, const char *address,
                                               const struct sql_library_version *version)
{
    for (size_t i = all->items.len; i > 0; i--) {
        const struct sql_library *l = vec_ptr(&all->items, i - 1);
        if (strcmp(l->address, address) == 0 &&
            memcmp(&l->version, version, sizeof(*version)) == 0) {
            return l;
        }
    }
    return NULL;
}

static int fetch(struct sql_session *s, const char *address, struct str *ret_path,
                 struct error *err)
{
    const struct artifact_options o = {.conf = &s->conf, .dir = s->libraries.dir};
    if (artifact_is_remote(address)) {
        return artifact_fetch(&o, address, ARTIFACT_BUNDLE, ret_path, err);
    }
    str_append_cstr(ret_path, artifact_local_path(address));
    return elf_check_shared_object(str_cstr(ret_path), err);
}

/* The library at the address as it is now. */
static int find_library(struct sql_session *s, const char *address, const struct sql_library **ret,
                        struct error *err)
{
    struct sql_libraries *all = &s->libraries;
    struct sql_library_version version = {0, 0, 0};
    STR_AUTO path = STR_INIT;
    if (!artifact_is_remote(address)) {
        TRY(local_version(artifact_local_path(address), &version, err));
    }
    *ret = known_library(all, address, &version);
    if (*ret != NULL) {
        return 0;
    }
    if (all->dir == NULL) {
        TRY(artifact_folder(&s->conf, &all->own, &all->dir, err));
    }
    TRY(fetch(s, address, &path, err));
    struct sql_library *l = MEM_NEW(struct sql_library);
    l->version = version;
    int rc = take_in(all, str_cstr(&path), l, err);
    if (rc < 0) {
        library_free(l);
        return rc;
    }
    l->address = mem_strdup(address);
    vec_push_ptr(&all->items, l);
    *ret = l;
    return 0;
}

int sql_session_check_jar(void *arg, const char *address, struct error *err)
{
    const struct sql_library *l;
    TRY_CTX(err, find_library(arg, address, &l, err), "adding '%s'", address);
    return 0;
}

/* ---- functions -------------------------------------------------------------------------------------- */

static int check_language(const char *name, const struct sql_entity *function, struct error *err)
{
    const char *language = sql_language_name(function->language);
    if (function->language == SQL_LANGUAGE_C) {
        return 0;
    }
    return error_set(err, ERR_UNSUPPORTED,
                     "The function '%s' (%s) is in LANGUAGE %s%s, which Flinc does not run: "
                     "functions are written in C (docs/guide/user-functions.md): CREATE FUNCTION "
                     "... AS '<symbol>' LANGUAGE C USING JAR '<library>.so'",
                     name, function->class_name, language,
                     function->language == SQL_LANGUAGE_DEFAULT ? " (which is meant without one)"
                                                                : "");
}

static void note_library(struct sql_planned *p, const struct sql_library *l)
{
    for (size_t i = 0; i < p->libraries.len; i++) {
        const struct sql_library *known = vec_ptr(&p->libraries, i);
        if (strcmp(known->name, l->name) == 0) {
            return;
        }
    }
    vec_push_ptr(&p->libraries, (void *)(uintptr_t)l);
}

static int find_in(struct sql_planned *p, const char *address, const char *name, const char *symbol,
                   const struct expr_function **ret, struct error *err)
{
    const struct sql_library *l;
    TRY(find_library(p->s, address, &l, err));
    TRY_CTX(err, user_function_find(l->name, symbol, name, ret, err), "looking into '%s'", address);
    note_library(p, l);
    return 0;
}

/* In its own libraries, else in those of ADD JAR, the newest first. */
static int find_anywhere(struct sql_planned *p, const char *name, const struct sql_entity *function,
                         const struct expr_function **ret, struct error *err)
{
    const struct text_list *jars = sql_manager_jars(p->s->manager);
    struct error why = ERROR_INIT;
    int rc = ERR_NOT_FOUND;
    for (uint32_t i = 0; i < function->resources.n && rc == ERR_NOT_FOUND; i++) {
        rc = find_in(p, function->resources.items[i], name, function->class_name, ret, &why);
    }
    for (size_t i = jars->n; i > 0 && rc == ERR_NOT_FOUND && function->resources.n == 0; i--) {
        rc = find_in(p, jars->items[i - 1], name, function->class_name, ret, &why);
    }
    if (rc == ERR_NOT_FOUND && function->resources.n == 0 && jars->n == 0) {
        return error_set(err, ERR_NOT_FOUND,
                         "there is no library: CREATE FUNCTION ... USING JAR '<library>.so', or "
                         "ADD JAR '<library>.so' before");
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &why);
    }
    return rc;
}

int sql_session_user_function(void *arg, const char *name, const struct sql_entity *function,
                              const struct expr_function **ret, struct error *err)
{
    TRY(check_language(name, function, err));
    TRY_CTX(err, find_anywhere(arg, name, function, ret, err), "loading the function '%s' (%s)",
            name, function->class_name);
    return 0;
}
