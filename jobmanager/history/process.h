/* The history server as a process: its main. */
#ifndef FLINC_JOBMANAGER_HISTORY_PROCESS_H
#define FLINC_JOBMANAGER_HISTORY_PROCESS_H

/* Exit codes: 0 stopped, 1 it could not start, 239 it did not stop in time. */
int history_main(int argc, char **argv);

#endif
