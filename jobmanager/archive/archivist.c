/* The file of an archive, on any file system; see archive.h. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/fs/fs.h"
#include "jobmanager/archive/archive.h"
#include <unistd.h>

static const char topic[] = "flinc.archive";

struct archivist {
    const struct conf *conf; /* Borrows */
    char *folder;            /* Owns; jobmanager.archive.fs.dir */
    _Atomic bool hurry;      /* nothing is tried again */
};

int archivist_new(const struct conf *conf, struct archivist **ret, struct error *err)
{
    const char *folder = conf_string(conf, "jobmanager.archive.fs.dir");
    struct fs_location at = {.authority = NULL};
    struct error why = ERROR_INIT;
    *ret = NULL;
    if (folder == NULL || folder[0] == '\0') {
        return 0;
    }
    if (fs_location_parse(folder, &at, &why) < 0) {
        return error_set(err, ERR_INVALID_CONFIG, "jobmanager.archive.fs.dir: %s", why.message);
    }
    fs_location_fini(&at);
    struct archivist *a = MEM_NEW(struct archivist);
    a->conf = conf;
    a->folder = mem_strdup(folder);
    *ret = a;
    return 0;
}

void archivist_set_hurry(struct archivist *a, bool hurry)
{
    atomic_store(&a->hurry, hurry);
}

struct archivist *archivist_free(struct archivist *a)
{
    if (a != NULL) {
        mem_free(a->folder);
        mem_free(a);
    }
    return NULL;
}

/* ---- one try -------------------------------------------------------------------------------------- */

static int write_piece(void *arg, const void *data, size_t size, struct error *err)
{
    return fs_output_write(arg, data, size, err);
}

static int write_file(const struct archivist *a, const struct job_details *d, const char *uri,
                      struct error *err)
{
    struct fs_output *out = NULL;
    TRY(fs_create(uri, FS_OVERWRITE, &out, err));
    int rc = job_archive_write(d, a->conf, write_piece, out, err);
    if (rc == 0) {
        rc = fs_output_sync(out, err);
    }
    if (rc < 0) {
        fs_output_abandon(out);
        return rc;
    }
    return fs_output_close(&out, err);
}

static int rename_into_place(const struct archivist *a, const char *temporary, const char *uri,
                             struct error *err)
{
    TRY(FAILPOINT(err, "archive.write.before_rename"));
    TRY(fs_rename(temporary, uri, err));
    return fs_sync_folder(a->folder, err);
}

/* Whoever lists the folder finds the file when it is whole. */
static int try_once(const struct archivist *a, const struct job_details *d, const char *id,
                    struct error *err)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO temporary = STR_INIT;
    STR_AUTO uri = STR_INIT;
    struct rng rng;
    TRY(FAILPOINT(err, "archive.write.before"));
    int hides_unfinished = fs_hides_unfinished(a->folder, err);
    TRY(hides_unfinished);
    TRY(fs_join(a->folder, id, &uri, err));
    if (hides_unfinished) {
        TRY(write_file(a, d, str_cstr(&uri), err));
        return FAILPOINT(err, "archive.write.after");
    }
    rng_init_system(&rng);
    str_printf(&name, ".%s.%016llx", id, (unsigned long long)rng_next(&rng));
    TRY(fs_join(a->folder, str_cstr(&name), &temporary, err));
    int rc = write_file(a, d, str_cstr(&temporary), err);
    if (rc == 0) {
        rc = rename_into_place(a, str_cstr(&temporary), str_cstr(&uri), err);
    }
    if (rc < 0) {
        int ignored = fs_delete(str_cstr(&temporary), FS_DELETE_ONE, NULL);
        (void)ignored;
        return rc;
    }
    return FAILPOINT(err, "archive.write.after");
}

/* ---- all tries ------------------------------------------------------------------------------------ */

int archivist_archive(struct archivist *a, const struct job_details *d, struct error *err)
{
    char id[ID_HEX_LEN + 1];
    struct error why = ERROR_INIT;
    int rc = ERR_STATE;
    id_format(&d->id, id);
    for (int i = 0; i < ARCHIVIST_TRIES && rc < 0 && (i == 0 || !atomic_load(&a->hurry)); i++) {
        if (i > 0) {
            LOG_WARN(topic, "Job %s could not be archived in %s and is tried again (%d of %d): %s",
                     id, a->folder, i + 1, ARCHIVIST_TRIES, why.message);
            (void)usleep((useconds_t)(ARCHIVIST_PAUSE_MS * 1000) << (i - 1));
        }
        error_clear(&why);
        rc = try_once(a, d, id, &why);
        if (rc < 0 && error_code_class(rc) == ERROR_CLASS_USER && rc != ERR_NOT_FOUND) {
            break; /* forbidden, or the like: it does not help */
        }
    }
    if (rc < 0) {
        error_copy(err, &why);
        error_context(err, "archiving job %s in %s (jobmanager.archive.fs.dir)", id, a->folder);
        return rc;
    }
    LOG_INFO(topic, "Job %s has been archived at %s/%s.", id, a->folder, id);
    return 0;
}
