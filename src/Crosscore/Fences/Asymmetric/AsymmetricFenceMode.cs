namespace Crosscore;

/// <summary>
/// The mechanism that <see cref="AsymmetricFence.Heavy"/> uses. The order that the pair promises is the same in every
/// mode; the cost differs.
/// </summary>
public enum AsymmetricFenceMode
{
    /// <summary>
    /// A full fence on both sides, because there is no process-wide barrier here, the tests have not seen this version
    /// of .NET, or the mode was chosen.
    /// </summary>
    Symmetric,

    /// <summary>membarrier(2), PRIVATE_EXPEDITED: Linux 4.14 and later. The light side pays nothing.</summary>
    Membarrier,

    /// <summary>
    /// Revoking access to a page that this process has just written, so that the kernel interrupts every processor that
    /// may have cached the access; the handler of that interrupt drains the store buffer. Never taken unless it is
    /// chosen, because no document promises that it is a barrier. Linux on x86-64 only, and only on processors that
    /// cannot invalidate the translations of others without interrupting them.
    /// </summary>
    PageProtection,

    /// <summary>
    /// <see cref="Interlocked.MemoryBarrierProcessWide"/>, on Windows (FlushProcessWriteBuffers) and on the
    /// systems of Apple. Not used on Linux, where its fallback is not safe on arm64.
    /// </summary>
    Runtime,
}
