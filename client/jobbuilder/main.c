/* libexec/flinc-jobbuilder: everything is in libflinc.so. */
int flinc_private_jobbuilder_main(int argc, char **argv);

int main(int argc, char **argv)
{
    return flinc_private_jobbuilder_main(argc, argv);
}
