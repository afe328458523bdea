namespace Crosscore;

/// <summary>
/// What stands behind <see cref="AsymmetricFence.Heavy"/>. The order that the pair promises is the same in every mode;
/// what differs is who pays.
/// </summary>
public enum AsymmetricFenceMode
{
    /// <summary>
    /// A full fence on both sides: there is no process-wide barrier here, or the tests have not seen this version of
    /// .NET, or it was asked for.
    /// </summary>
    Symmetric,

    /// <summary>membarrier(2), PRIVATE_EXPEDITED: Linux 4.14 and later. The light side pays nothing.</summary>
    Membarrier,

    /// <summary>
    /// Taking away the rights to a page that this process has just written, so that the kernel interrupts every
    /// processor that may remember them; the handler of that interrupt drains the store buffer. Never taken unless it
    /// is chosen, because no document promises that it is a barrier. Linux on x86-64 only, and only on processors
    /// that cannot make others forget translations without interrupting them.
    /// </summary>
    PageProtection,

    /// <summary>
    /// <see cref="Interlocked.MemoryBarrierProcessWide"/>, on Windows (FlushProcessWriteBuffers) and on Apple's
    /// systems. Not used on Linux, where its fallback is not safe on arm64.
    /// </summary>
    Runtime,
}
