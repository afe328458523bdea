namespace Crosscore;

/// <summary>What stands behind <see cref="AsymmetricFence.Heavy"/>. The order that the pair promises is the same in every mode; what differs is who pays.</summary>
public enum AsymmetricFenceMode
{
    /// <summary>A full fence on both sides, because no process-wide barrier can be had here, or because it was asked for.</summary>
    Symmetric,

    /// <summary>membarrier(2), PRIVATE_EXPEDITED: Linux 4.14 and later. The light side pays nothing.</summary>
    Membarrier,

    /// <summary>
    /// Taking away the rights to a page that this process has just written, so that the kernel interrupts every processor that may remember them. Linux on x86-64 only, where
    /// membarrier(2) is missing, and only on processors that cannot forget translations without being interrupted. No document promises that it is a barrier.
    /// </summary>
    PageProtection,

    /// <summary><see cref="Interlocked.MemoryBarrierProcessWide"/>, on Windows (FlushProcessWriteBuffers) and on Apple's systems. Not used on Linux, where its fallback is not safe on arm64.</summary>
    Runtime,
}
