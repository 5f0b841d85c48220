/* libexec/flinc-jobcoordinator: everything is in libflinc.so (jobmanager/jobcoordinator).  Started by the job
 * manager's spawner with the channel to the job master on descriptor 3. */
int flinc_private_jobcoordinator_main(void);

int main(void)
{
    return flinc_private_jobcoordinator_main();
}
