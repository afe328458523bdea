namespace Crosscore;

/// <summary>
/// All that <see cref="MembarrierSession"/> needs of the world, so that its decisions can be tested against kernels
/// that are not here.
/// </summary>
internal interface IMembarrierKernel
{
    /// <summary>Why no call may be made here at all, or <see cref="MembarrierFailure.None"/>.</summary>
    MembarrierFailure Obstacle { get; }

    /// <summary>
    /// The CPUs that may ever come online, in the kernel's list format; null where it cannot be read.
    /// </summary>
    string? PossibleCpus { get; }

    /// <summary>The CPUs online at this moment, in the kernel's list format; null where it cannot be read.</summary>
    string? OnlineCpus { get; }

    /// <summary>membarrier(2): the answer, or the negative error number.</summary>
    int Call(int command, uint flags, int cpu);
}
