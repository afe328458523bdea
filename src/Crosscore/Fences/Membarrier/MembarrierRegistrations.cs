using static Crosscore.Linux.MembarrierCall;

namespace Crosscore;

/// <summary>
/// What a process can register for; the values are those of the kernel's registration commands. A registration belongs
/// to the address space: threads share it, fork inherits it, exec clears it, and nothing else removes it.
/// </summary>
[Flags]
public enum MembarrierRegistrations
{
    /// <summary>No registration.</summary>
    None = 0,

    /// <summary>
    /// Receives the barriers of <see cref="Membarrier.GlobalExpedited"/>, from any process. Issuing them needs no
    /// registration.
    /// </summary>
    GlobalExpedited = MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,

    /// <summary>
    /// Allows <see cref="Membarrier.PrivateExpedited"/>. .NET registers this itself at start-up on Linux.
    /// </summary>
    PrivateExpedited = MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,

    /// <summary>Allows <see cref="Membarrier.SyncCore"/>. It does not include <see cref="PrivateExpedited"/>.</summary>
    SyncCore = MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,

    /// <summary>
    /// Allows <see cref="Membarrier.RestartSequences()"/>. It does not include <see cref="PrivateExpedited"/>.
    /// </summary>
    RestartSequences = MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ,
}
