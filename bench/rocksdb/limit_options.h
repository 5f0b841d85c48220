/* Options of the hand-written loop, from the command line. */
#ifndef FLINC_BENCH_ROCKSDB_LIMIT_OPTIONS_H
#define FLINC_BENCH_ROCKSDB_LIMIT_OPTIONS_H

#include "bench/options.h"

struct limit_options {
    const char *directory, *filter, *checksum, *index, *access, *compaction, *text;
    double zipf;
    uint64_t keys, records, warm_up, batch, seed;
    uint64_t write_buffer_mb, write_buffers, memtable_filter, block_cache_mb, row_cache_mb,
        cache_entries, threads;
    uint64_t block_bytes, restart_interval, filter_bits, file_mb, format;
    uint64_t runs, run_entries;
    uint64_t reads_only, hash_index, filters_for_hits, no_verify, unsorted, settled;
};

static const struct limit_options limit_defaults = {
    .directory = "limit-rocksdb.db",
    .filter = "bloom",
    .checksum = "xxh3",
    .index = "held",
    .access = "mmap",
    .compaction = "level",
    .keys = 10000000,
    .records = 4000000,
    .warm_up = 2000000,
    .batch = 2048,
    .seed = 1,
    .write_buffer_mb = 64,
    .write_buffers = 2,
    .memtable_filter = 10,
    .threads = 2,
    .run_entries = 400000,
    .block_bytes = 4096,
    .restart_interval = 16,
    .filter_bits = 10,
    .file_mb = 64,
    .format = 5,
};

#define LIMIT_OPTION(name, kind, member, help) \
    BENCH_OPTION(name, kind, struct limit_options, member, help)
static const struct bench_option limit_option_table[] = {
    LIMIT_OPTION("dir", TEXT, directory, "folder of the database, which is not there yet; deleted"),
    LIMIT_OPTION("keys", NUMBER, keys, "BIGINT keys, all of them there from the beginning"),
    LIMIT_OPTION("zipf", REAL, zipf, "exponent of Zipf's law; 0: uniform keys"),
    LIMIT_OPTION("records", NUMBER, records, "records that are measured"),
    LIMIT_OPTION("warm-up", NUMBER, warm_up, "records before them"),
    LIMIT_OPTION("batch", NUMBER, batch, "records that are read and written together"),
    LIMIT_OPTION("seed", NUMBER, seed, "of the keys"),
    LIMIT_OPTION("write-buffer", NUMBER, write_buffer_mb, "MB of a memtable"),
    LIMIT_OPTION("write-buffers", NUMBER, write_buffers, "memtables"),
    LIMIT_OPTION("memtable-filter", NUMBER, memtable_filter, "percent of a memtable; 0: none"),
    LIMIT_OPTION("block-cache", NUMBER, block_cache_mb, "MB; 0: none"),
    LIMIT_OPTION("row-cache", NUMBER, row_cache_mb, "MB of RocksDB's own cache of rows"),
    LIMIT_OPTION("cache-entries", NUMBER, cache_entries,
                 "entries of a write-back cache in front, of 24 bytes each; 0: none"),
    LIMIT_OPTION("threads", NUMBER, threads, "RocksDB's, for flushes and compaction"),
    LIMIT_OPTION("runs", NUMBER, runs, "sorted files over the first ones, at level 0"),
    LIMIT_OPTION("run-entries", NUMBER, run_entries, "keys of each, uniform"),
    LIMIT_OPTION("reads-only", FLAG, reads_only, "reads alone"),
    LIMIT_OPTION("settled", FLAG, settled, "the measured part ends when compaction has"),
    LIMIT_OPTION("unsorted", FLAG, unsorted, "RocksDB sorts the keys of a batch once more"),
    LIMIT_OPTION("block-bytes", NUMBER, block_bytes, "of data blocks"),
    LIMIT_OPTION("restart-interval", NUMBER, restart_interval, "keys between restarts in a block"),
    LIMIT_OPTION("hash-index", FLAG, hash_index, "a hash index in data blocks"),
    LIMIT_OPTION("index", TEXT, index, "and filters: held by the readers, cached, or partitioned"),
    LIMIT_OPTION("filter", TEXT, filter, "bloom, ribbon, or none"),
    LIMIT_OPTION("filter-bits", NUMBER, filter_bits, "per key"),
    LIMIT_OPTION("filters-for-hits", FLAG, filters_for_hits, "no filters at the last level"),
    LIMIT_OPTION("checksum", TEXT, checksum, "none, crc32c, xxh, xxh64, or xxh3"),
    LIMIT_OPTION("no-verify", FLAG, no_verify, "reads do not look at checksums"),
    LIMIT_OPTION("access", TEXT, access, "to files: pread, mmap, or direct"),
    LIMIT_OPTION("file", NUMBER, file_mb, "MB of a sorted file"),
    LIMIT_OPTION("format", NUMBER, format, "version of the table format"),
    LIMIT_OPTION("compaction", TEXT, compaction, "level or universal"),
    LIMIT_OPTION("rocksdb", TEXT, text, "further options, in RocksDB's own language"),
};
#undef LIMIT_OPTION

static const struct bench_options limit_program = {
    .program = "bench_rocksdb_limit",
    .summary =
        "Counts records by key in RocksDB, as a program would that was written for it: the keys\n"
        "of a batch are sorted, read together and written together.  No log.  Prints JSON lines.",
    .table = limit_option_table,
    .n = ARRAY_LEN(limit_option_table),
    .defaults = &limit_defaults,
};

/* The number of a name in a list that ends with NULL. */
static inline int limit_choice(const char *option, const char *name, const char *const *names)
{
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(name, names[i]) == 0) {
            return i;
        }
    }
    fprintf(stderr, "bench_rocksdb_limit: --%s has no '%s'\n", option, name);
    exit(2);
}

#endif
