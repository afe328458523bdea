namespace Crosscore;

/// <summary>
/// The kernel as <see cref="MembarrierSession"/> sees it, so that its decisions can be tested against kernels other
/// than the present one.
/// </summary>
internal interface IMembarrierKernel
{
    /// <summary>Gets why no call may be made here at all, or <see cref="MembarrierFailure.None"/>.</summary>
    MembarrierFailure Obstacle { get; }

    /// <summary>
    /// Gets the CPUs that may ever come online, in the kernel's list format; null where they cannot be read.
    /// </summary>
    string? PossibleCpus { get; }

    /// <summary>
    /// Gets the CPUs that are online now, in the kernel's list format; null where they cannot be read.
    /// </summary>
    string? OnlineCpus { get; }

    /// <summary>Calls membarrier(2).</summary>
    /// <returns>The answer, or the negative error number.</returns>
    int Call(int command, uint flags, int cpu);
}
