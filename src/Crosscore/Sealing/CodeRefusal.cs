using Crosscore.Code;
using Crosscore.Linux;

namespace Crosscore.Sealing;

/// <summary>Explains what an error number of the kernel means for code, as an exception.</summary>
internal static class CodeRefusal
{
    public static CodeException MemoryFile(string call, int errno) =>
        Explain(
            call,
            errno,
            CodeFailure.MemoryFileRefused,
            "a sandbox or security policy (seccomp, SELinux) forbids it, or the kernel has no memory files. Allow "
                + "memfd_create and F_ADD_SEALS, or let another process seal the code and import it here."
        );

    public static CodeException ExecutableMapping(int errno) =>
        Explain(
            "mmap with PROT_EXEC",
            errno,
            CodeFailure.ExecutableMappingRefused,
            "a sandbox or security policy (seccomp, SELinux, a tmpfs mounted noexec) forbids it. Allow executable "
                + "shared mappings of memory files."
        );

    public static CodeException TooManyMappings(long mapped, long limit, int errno) =>
        new(
            CodeFailure.TooManyMappings,
            $"The process has {mapped} mappings of the {limit} that vm.max_map_count allows. Install fewer, larger "
                + "segments, dispose of code that is not needed, or raise the limit.",
            errno
        );

    /// <summary>The garbage collector's heap is at its limit.</summary>
    /// <param name="what">What could not be done, as the beginning of a sentence.</param>
    /// <param name="lack">Thrown by the runtime.</param>
    public static CodeException ManagedMemory(string what, OutOfMemoryException lack) =>
        new(
            CodeFailure.OutOfMemory,
            $"{what}: there is too little managed memory. Raise the limit of the garbage collector's heap, or refuse "
                + "code with that many bytes of names.",
            cause: lack
        );

    private static CodeException Explain(string call, int errno, CodeFailure refused, string policy)
    {
        (CodeFailure failure, string meaning) = errno switch
        {
            Errno.ENOSYS or Errno.EPERM or Errno.EACCES or Errno.EINVAL => (refused, policy),
            Errno.EBUSY => (
                CodeFailure.NotSealed,
                "another process holds a writable mapping or pinned pages of the memory file that was to be sealed. A "
                    + "process of the same user can open it through /proc/PID/fd; find that process."
            ),
            Errno.EBADF => (
                CodeFailure.NotSealed,
                "the descriptor is closed or leads to another file: a part of this process closed or replaced a "
                    + "descriptor that is not its own."
            ),
            Errno.ENOENT => (refused, "there is no /proc, or it does not show this thread's descriptors. Mount /proc."),
            Errno.EINTR => (
                refused,
                $"a signal or a system-call filter interrupted it {OpenFile.MaxTries} times. Look for a filter that "
                    + "answers EINTR."
            ),
            Errno.EFBIG => (
                CodeFailure.OutOfMemory,
                "the limit for the size of files denies it. Raise RLIMIT_FSIZE (ulimit -f)."
            ),
            Errno.EMFILE or Errno.ENFILE => (
                CodeFailure.TooManyFiles,
                "too many open files. Raise the limit, or dispose of sealed code once it is installed."
            ),
            Errno.ENOMEM or Errno.ENOSPC or Errno.EAGAIN => (
                CodeFailure.OutOfMemory,
                "memory is exhausted, or a control group or resource limit (RLIMIT_AS, RLIMIT_MEMLOCK) denies it. "
                    + "Raise the limit."
            ),
            _ => (
                CodeFailure.Unexpected,
                "the kernel does not do what its manual says. Please report it as a Crosscore bug, with the kernel's "
                    + "release."
            ),
        };
        return new CodeException(failure, $"{call} answered {Errno.Name(errno)}: {meaning}", errno);
    }
}
