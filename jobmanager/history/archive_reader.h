/* Reads an archive of a job piece by piece: {"archive":[{"path":"/jobs/...","json":"..."}, ...]}, as Flink and
 * jobmanager/archive write it.  Names that are unknown are passed over.
 *
 * Everything is checked: JSON outside and inside, UTF-8, that paths are of this job (or its /jobs/overview) and of plain
 * components.  An error names the file and the place.  Thread: any. */
#ifndef FLINC_JOBMANAGER_HISTORY_ARCHIVE_READER_H
#define FLINC_JOBMANAGER_HISTORY_ARCHIVE_READER_H

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/fs/fs.h"

enum {
    ARCHIVE_PATH_MAX = 1024,
    ARCHIVE_ENTRY_MAX = 64 * 1024 * 1024,
    ARCHIVE_ENTRIES_MAX = 2 * 1000 * 1000,
    ARCHIVE_DEPTH_MAX = 64, /* of values in values */
};
#define ARCHIVE_BYTES_MAX (UINT64_C(4) << 30)

struct archive_sink {
    /* Of each answer, in the order of the file; both are valid during the call.  `path` is what stands behind
     * "/jobs/<id>" ("", "/config"), or "overview" for /jobs/overview. */
    int (*entry)(void *arg, struct slice path, struct slice json, struct error *err);
    void *arg;
};
/* `job_hex`: whose archive it must be.  ERR_CORRUPT, ERR_TOO_LARGE: of the archive; else what the file system, or the
 * sink, says. */
int archive_read(const char *uri, const char *job_hex, const struct archive_sink *sink,
                 struct error *err) MUST_CHECK;
/* The same of bytes in memory; `name` stands in messages. */
int archive_read_text(const char *name, struct slice text, const char *job_hex,
                      const struct archive_sink *sink, struct error *err) MUST_CHECK;

#endif
