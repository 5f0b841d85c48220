/* libexec/flinc-taskworker: everything is in libflinc.so. */
int flinc_private_taskworker_main(int argc, char **argv);

int main(int argc, char **argv)
{
    return flinc_private_taskworker_main(argc, argv);
}
