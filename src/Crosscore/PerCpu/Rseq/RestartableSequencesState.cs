namespace Crosscore.PerCpu;

/// <summary>Whether sections can run in this process, or the first thing that is missing.</summary>
public enum RestartableSequencesState
{
    /// <summary>They can.</summary>
    Available,

    /// <summary>Not Linux.</summary>
    WrongPlatform,

    /// <summary>Not x86-64. Sections for arm64 are not part of this library.</summary>
    WrongArchitecture,

    /// <summary>
    /// The C library registers no area and says so by exporting nothing: musl, and glibc before 2.35.
    /// </summary>
    NoArea,

    /// <summary>No area is registered although the C library could: a tunable, a sandbox, an old kernel.</summary>
    NotRegistered,

    /// <summary>
    /// Executable memory is refused by SELinux, MemoryDenyWriteExecute or seccomp; or only now, because descriptors or
    /// memory are exhausted, and then the next use tries again.
    /// </summary>
    NoExecutableMemory,
}
