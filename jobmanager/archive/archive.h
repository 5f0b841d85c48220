/* Archives of ended jobs, which history servers read: one file per job in jobmanager.archive.fs.dir, named by the job's
 * id, with the answers of REST by their paths.
 *
 * Flink: FsJobArchivist, JsonArchivist.  Thread: any. */
#ifndef FLINC_JOBMANAGER_ARCHIVE_ARCHIVE_H
#define FLINC_JOBMANAGER_ARCHIVE_ARCHIVE_H

#include "common/conf/conf.h"
#include "jobmanager/jobmaster/job_details.h"

enum {
    ARCHIVIST_TRIES = 4,
    ARCHIVIST_PAUSE_MS = 500, /* before the second try; doubled for each further one */
    JOB_ARCHIVE_EXCEPTIONS_MAX =
        100, /* failures in the archive's answer of /exceptions, as in Flink */
};

/* The archive's text, in pieces, to `write`; ends with its first error.  `conf` is shown as the job manager's. */
int job_archive_write(const struct job_details *d, const struct conf *conf,
                      int (*write)(void *arg, const void *data, size_t size, struct error *err),
                      void *arg, struct error *err) MUST_CHECK;

struct archivist;
/* *ret NULL: jobmanager.archive.fs.dir is not set.  ERR_INVALID_CONFIG: it is no location, or of a file system
 * that is not there.  Borrows conf. */
int archivist_new(const struct conf *conf, struct archivist **ret, struct error *err) MUST_CHECK;
struct archivist *archivist_free(struct archivist *a); /* NULL is fine; returns NULL */
/* The process ends: nothing is tried a second time.  Thread: any. */
void archivist_set_hurry(struct archivist *a, bool hurry);
/* Writes the job's file, or replaces it; blocks; tries again what may help.  May be repeated. */
int archivist_archive(struct archivist *a, const struct job_details *d,
                      struct error *err) MUST_CHECK;

#endif
