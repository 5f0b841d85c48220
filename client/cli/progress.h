/* One line on a terminal that tells how far a job is; nothing when standard error is no terminal.
 * Thread: main. */
#ifndef FLINC_CLIENT_CLI_PROGRESS_H
#define FLINC_CLIENT_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool enabled;
    bool shown;
    int64_t start_ns, last_ns;
    uint64_t last_records, last_bytes;
};

void progress_init(struct progress *p);
void progress_show(struct progress *p, const char *state, uint64_t records, uint64_t bytes,
                   uint32_t running, uint32_t total);
/* Takes the line away, so that what is printed next stands at the start of a line. */
void progress_clear(struct progress *p);

#endif
