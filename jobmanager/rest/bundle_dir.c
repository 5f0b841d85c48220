/* The folder of uploaded bundles; see bundle_dir.h. */
#include "jobmanager/rest/bundle_dir.h"
#include "common/base/clock.h"
#include "common/plugin/elf_check.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { UUID_LEN = 36 };

/* ---- listing -------------------------------------------------------------------------------------- */

static bool is_uuid_prefix(const char *name)
{
    for (int i = 0; i < UUID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? name[i] != '-' : !isxdigit((unsigned char)name[i])) {
            return false;
        }
    }
    return name[UUID_LEN] == '_';
}

/* A file of the folder as a bundle; false: it is none. */
static bool bundle_of_file(int dir_fd, const char *file, struct bundle *ret)
{
    struct stat st;
    const char *name = is_uuid_prefix(file) ? file + UUID_LEN + 1 : file;
    if (strlen(file) > BUNDLE_ID_MAX || strlen(name) > BUNDLE_NAME_MAX ||
        !cstr_ends_with(name, ".so") || fstatat(dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(st.st_mode)) {
        return false;
    }
    int64_t ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    *ret = (struct bundle){.uploaded_ms = ns / 1000000, .uploaded_ns = ns};
    snprintf(ret->id, sizeof(ret->id), "%s", file);
    snprintf(ret->name, sizeof(ret->name), "%s", name);
    return true;
}

static void read_entry(int dir_fd, struct bundle *b)
{
    int fd = openat(dir_fd, b->id, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0) {
        if (!bundle_entry_read_file(fd, b->entry)) {
            b->entry[0] = '\0';
        }
        close(fd);
    }
}

static int compare_newest_first(const void *a, const void *b)
{
    int64_t x = ((const struct bundle *)a)->uploaded_ns,
            y = ((const struct bundle *)b)->uploaded_ns;
    return x != y ? (x < y) - (x > y)
                  : strcmp(((const struct bundle *)a)->id, ((const struct bundle *)b)->id);
}

void bundle_dir_list(const char *dir, struct vec *ret_bundles)
{
    vec_init(ret_bundles, sizeof(struct bundle));
    DIR *d = opendir(dir);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        struct bundle b;
        if (bundle_of_file(dirfd(d), e->d_name, &b)) {
            read_entry(dirfd(d), &b);
            *VEC_PUSH(ret_bundles, struct bundle) = b;
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    if (ret_bundles->len > 0) {
        qsort(ret_bundles->data, ret_bundles->len, sizeof(struct bundle), compare_newest_first);
    }
}

int bundle_dir_find(const char *dir, const char *id, struct bundle *ret, struct str *ret_path,
                    struct error *err)
{
    bool found = false;
    DIR *d = opendir(dir);
    for (struct dirent *e; d != NULL && !found && (e = readdir(d)) != NULL;) {
        found = strcmp(e->d_name, id) == 0 && bundle_of_file(dirfd(d), e->d_name, ret);
    }
    if (d != NULL) {
        closedir(d);
    }
    if (!found) {
        return error_set(err, ERR_NOT_FOUND, "Jar file %.200s does not exist", id);
    }
    str_clear(ret_path);
    str_printf(ret_path, "%s/%s", dir, ret->id);
    return 0;
}

int bundle_dir_remove(const char *dir, const char *id, struct error *err)
{
    struct bundle b;
    STR_AUTO path = STR_INIT;
    TRY(bundle_dir_find(dir, id, &b, &path, err));
    if (unlink(str_cstr(&path)) < 0) {
        return error_set_errno(err, errno, "removing the bundle %s", b.id);
    }
    return 0;
}

/* ---- uploads -------------------------------------------------------------------------------------- */

static void append_uuid(struct str *out)
{
    struct rng rng;
    struct flinc_id id;
    char hex[ID_HEX_LEN + 1];
    rng_init_system(&rng);
    id_random(&id, &rng);
    id_format(&id, hex);
    str_printf(out, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

/* The client's name with every character replaced that a file name should not have, its end kept. */
static void append_safe_name(struct str *out, const char *filename)
{
    size_t len = strlen(filename);
    const char *from = len > BUNDLE_NAME_MAX ? filename + (len - BUNDLE_NAME_MAX) : filename;
    for (; *from != '\0'; from++) {
        bool fine = isalnum((unsigned char)*from) || strchr("._-+=@", *from) != NULL;
        str_append_char(out, fine ? *from : '_');
    }
}

int bundle_dir_add(const char *dir, uint32_t max, const char *upload_path, const char *filename,
                   struct str *ret_path, struct error *err)
{
    struct vec there;
    bundle_dir_list(dir, &there);
    size_t n = there.len;
    vec_fini(&there);
    if (n >= max) {
        return error_set(err, ERR_LIMIT,
                         "there are %zu uploaded bundles, which is the limit: remove some "
                         "(DELETE /jars/:jarid)",
                         n);
    }
    STR_AUTO path = STR_INIT;
    str_printf(&path, "%s/", dir);
    append_uuid(&path);
    str_append_char(&path, '_');
    append_safe_name(&path, filename);
    /* The system's own time of a file moves in steps of milliseconds: too coarse for an order. */
    struct timespec now[2];
    (void)clock_gettime(CLOCK_REALTIME, &now[0]);
    now[1] = now[0];
    (void)utimensat(AT_FDCWD, upload_path, now, 0);
    if (rename(upload_path, str_cstr(&path)) < 0) {
        return error_set_errno(err, errno, "keeping the upload in %s", dir);
    }
    str_clear(ret_path);
    str_append_slice(ret_path, str_slice(&path));
    return 0;
}

/* Puts the client's name in place of the path that only we know. */
static void name_as_client(struct error *err, const char *path, const char *filename)
{
    char *at = err != NULL ? strstr(err->message, path) : NULL;
    if (at != NULL) {
        char text[ERROR_MESSAGE_MAX];
        snprintf(text, sizeof(text), "%.*s%.200s%s", (int)(at - err->message), err->message,
                 filename, at + strlen(path));
        memcpy(err->message, text, sizeof(text));
    }
}

int bundle_check_upload(const char *path, const char *filename, struct error *err)
{
    if (cstr_ends_with(filename, ".jar")) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "%.200s is a Java archive, which Flinc cannot run: it has no Java. Build "
            "the job as a C bundle (a shared object, .so) against Flinc's headers, and "
            "upload that.",
            filename);
    }
    if (!cstr_ends_with(filename, ".so")) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Only job bundles are allowed: shared objects whose name ends in .so, and "
                         "%.200s does not.",
                         filename);
    }
    int rc = elf_check_shared_object(path, err);
    if (rc < 0) {
        name_as_client(err, path, filename);
    }
    return rc;
}
