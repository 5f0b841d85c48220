/* Files with sections, inside the room: what a target writes into. */
#ifndef FLINC_ENGINE_SNAPSHOT_MERGED_FILE_H
#define FLINC_ENGINE_SNAPSHOT_MERGED_FILE_H

#include "common/fs/fs.h"
#include "engine/snapshot/merging.h"

struct merged_file;

struct merged_request {
    const struct snapshot_target *target;
    enum snapshot_scope scope;
    uint64_t size; /* of the section; at most MERGED_SECTION_MAX */
};
/* Whether a blob of this size is put into a file with others. */
bool file_merging_takes(const struct file_merging *m, uint64_t size);
/* A file for one section, the caller's alone until file_merging_put(); may wait for one (pool-blocking).
 * ERR_NOT_FOUND: the checkpoint was given up. */
int file_merging_take(struct file_merging *m, const struct merged_request *r,
                      struct merged_file **ret_file, struct error *err) MUST_CHECK;
struct fs_output *merged_file_output(const struct merged_file *f); /* Borrows */
const char *merged_file_uri(const struct merged_file *f);
uint64_t merged_file_offset(const struct merged_file *f); /* where the section begins */
uint64_t merged_file_since(const struct merged_file *f);  /* the checkpoint that began the file */

enum merged_end {
    MERGED_WRITTEN, /* all of the section, and synced */
    MERGED_FAILED, /* nobody knows what is in the file behind its last section: no more are written */
};
void file_merging_put(struct file_merging *m, struct merged_file *take_file,
                      const struct merged_request *r, enum merged_end end);
/* A section that was written goes nowhere. */
void file_merging_discard(struct file_merging *m, const char *uri, uint64_t checkpoint_id,
                          uint64_t size);

#endif
