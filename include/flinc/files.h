/* flinc/files.h: the file sink: records as files of buckets, exactly once.
 *
 *   flinc_write_files(orders, FLINC_FILE_SINK(.path = "s3://lake/orders", .format = "csv",
 *                                             .buckets = FLINC_DATE_TIME_BUCKETS(.zone = "UTC")));
 *
 * A file is written under a hidden name and appears when it is finished and the checkpoint that has it is
 * complete; readers leave out names that begin with a dot.  Everything is 0 or NULL by default, which
 * means what is said beside it.
 *
 * Flink: org.apache.flink.connector.file.sink.FileSink. */
#ifndef FLINC_FILES_H
#define FLINC_FILES_H

#include "flinc/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- buckets: the folder, below the sink's, that a record goes to ---- */

typedef enum flinc_bucket_kind {
    FLINC_BUCKET_BASE_PATH = 0, /* no folders.  Flink: BasePathBucketAssigner */
    FLINC_BUCKET_DATE_TIME = 1, /* Flink: DateTimeBucketAssigner */
    FLINC_BUCKET_FUNCTION = 2   /* Flink: BucketAssigner */
} flinc_bucket_kind;

typedef enum flinc_bucket_time {
    FLINC_BUCKET_PROCESSING_TIME = 0, /* when the record comes, as Flink's */
    FLINC_BUCKET_EVENT_TIME = 1 /* the record's timestamp; records without one fail the task */
} flinc_bucket_time;

typedef struct flinc_buckets {
    flinc_bucket_kind kind;
    /* DATE_TIME: as Java's DateTimeFormatter, of the letters y u M d D H m s S and quoted text; may have
     * slashes.  NULL: "yyyy-MM-dd--HH". */
    const char *date_format;
    const char *zone; /* "Europe/Berlin", "UTC", "+02:00"; NULL: that of the task's machine */
    flinc_bucket_time time;
    /* FUNCTION: int f(flinc_ctx *, const IN *in, flinc_text *out) writes the bucket of a record: a relative
     * path, "" for no folder. */
    const flinc_function *function;
} flinc_buckets;
#define FLINC_DATE_TIME_BUCKETS(...)                \
    {                                               \
        .kind = FLINC_BUCKET_DATE_TIME, __VA_ARGS__ \
    }
#define FLINC_FUNCTION_BUCKETS(fn)                      \
    {                                                   \
        .kind = FLINC_BUCKET_FUNCTION, .function = (fn) \
    }

/* ---- when a file is finished and the next one begun ---- */

typedef enum flinc_roll {
    /* By size and times; bulk formats: at every checkpoint, and by those of size and times that are set.
     * Flink: DefaultRollingPolicy, OnCheckpointRollingPolicy for bulk formats. */
    FLINC_ROLL_DEFAULT = 0,
    /* At every checkpoint, too; by size and times only where they are set. */
    FLINC_ROLL_ON_CHECKPOINT = 1
} flinc_roll;

#define FLINC_ROLL_NEVER UINT64_MAX
typedef struct flinc_rolling {
    flinc_roll policy;
    uint64_t part_bytes;        /* maxPartSize; 0: 128 MiB */
    uint64_t interval_ms;       /* rolloverInterval, since it was opened; 0: 60 s */
    uint64_t inactivity_ms;     /* inactivityInterval, since the last record; 0: 60 s */
    uint64_t check_interval_ms; /* bucketCheckInterval: how often times are looked at; 0: 60 s */
} flinc_rolling;

/* ---- compaction of small files ---- */

typedef enum flinc_compactor {
    FLINC_COMPACT_DEFAULT = 0, /* RECORDS for what is compressed or has a header, else CONCAT */
    FLINC_COMPACT_CONCAT = 1,  /* bytes behind bytes.  Flink: ConcatFileCompactor */
    FLINC_COMPACT_RECORDS = 2  /* read and written anew.  Flink: RecordWiseFileCompactor */
} flinc_compactor;

/* On when size_bytes or checkpoints is set: files stay hidden until they are compacted.
 * Flink: FileCompactStrategy. */
typedef struct flinc_file_compaction {
    uint64_t size_bytes;  /* setSizeThreshold: as soon as a bucket has so much */
    uint32_t checkpoints; /* enableCompactionOnCheckpoint: after so many */
    uint32_t threads;     /* setNumCompactThreads, of each subtask; 0: 1 */
    flinc_compactor compactor;
} flinc_file_compaction;

/* ---- formats ---- */

typedef struct flinc_csv {
    char delimiter;           /* 0: ',' */
    char quote;               /* 0: '"' */
    const char *null_literal; /* NULL: nothing */
    bool header;              /* the names of the columns first */
} flinc_csv;

/* Start from FLINC_FILE_SINK(.path = ...). */
typedef struct flinc_file_sink {
    uint32_t struct_size;
    const char *path; /* the folder; any file system with a recoverable writer */
    /* "csv": RFC 4180; "json": an object per line; "text": a line per record, by `encoder`, else "(a,b)" as
     * Flink prints a tuple.  NULL: "text". */
    const char *format;
    /* false: a row format, whose files stay open over checkpoints.  Flink: forRowFormat, forBulkFormat. */
    bool bulk;
    const flinc_function *encoder; /* "text": a format function.  Flink: Encoder */
    flinc_csv csv;
    const char
        *compression; /* bulk only: "gzip", "zstd"; NULL: none.  Adds .gz, .zst to the names */
    flinc_buckets buckets;
    flinc_rolling rolling;
    flinc_file_compaction compaction;
    const char *prefix; /* of file names; NULL: "part".  Flink: OutputFileConfig */
    const char *suffix; /* NULL: none but the compression's */
    uint32_t
        open_files_max; /* per subtask; above it the least recently written one is finished; 0: 128 */
} flinc_file_sink;
#define FLINC_FILE_SINK(...) \
    ((flinc_file_sink){.struct_size = (uint32_t)sizeof(flinc_file_sink), __VA_ARGS__})

#define flinc_write_files(s, sink) flinc_write_files_((s), (sink), FLINC_HERE)
FLINC_API flinc_stream *flinc_write_files_(flinc_stream *s, flinc_file_sink sink, flinc_place at);

#ifdef __cplusplus
}
#endif

#endif
