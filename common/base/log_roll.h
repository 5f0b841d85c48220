/* Rolling of log files, for those that write one without being the log itself (the spawner, which writes
 * what its children say).  Thread: any, one at a time per path. */
#ifndef FLINC_COMMON_BASE_LOG_ROLL_H
#define FLINC_COMMON_BASE_LOG_ROLL_H

#include <stdint.h>

/* path.<n-1> becomes path.<n>, ..., path becomes path.1, up to max_files (0: path is removed).  What cannot
 * be renamed stays. */
void log_shift_files(const char *path, uint32_t max_files);

#endif
