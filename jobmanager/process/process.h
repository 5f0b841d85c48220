/* The job manager process: command line, configuration, everything wired together, signals, exit codes.
 *
 *   flinc-jobmanager --configDir DIR [-D key=value]...                       a session cluster
 *   flinc-jobmanager --application ... [--job-classname NAME] ... [args]     one job (application mode)
 *
 * Flink: StandaloneSessionClusterEntrypoint, StandaloneApplicationClusterEntryPoint.  Thread: main. */
#ifndef FLINC_JOBMANAGER_PROCESS_PROCESS_H
#define FLINC_JOBMANAGER_PROCESS_PROCESS_H

/* Flink's exit codes, as the shell sees them. */
enum process_exit {
    PROCESS_EXIT_SUCCEEDED = 0, /* also: the job was cancelled, a session was stopped */
    PROCESS_EXIT_STARTUP_FAILURE = 1,
    PROCESS_EXIT_RUNTIME_FAILURE = 2,  /* also: the application's main failed */
    PROCESS_EXIT_FAILED = 1443 & 0xff, /* the job of an application failed */
    PROCESS_EXIT_UNKNOWN = 1445 & 0xff,
    PROCESS_EXIT_STUCK = 239 & 0xff, /* it did not stop in time */
};

int jobmanager_main(int argc, char **argv);

#endif
