using static Crosscore.Linux.MembarrierCall;

namespace Crosscore;

/// <summary>
/// The commands of membarrier(2), with the kernel's values, as its QUERY command reports them.
/// </summary>
[Flags]
public enum MembarrierCommands
{
    /// <summary>No command: membarrier(2) is absent or refused.</summary>
    None = 0,

    /// <summary>
    /// MEMBARRIER_CMD_GLOBAL (Linux 4.3, then called SHARED): <see cref="Membarrier.Global"/>. Not offered while
    /// nohz_full is active.
    /// </summary>
    Global = MEMBARRIER_CMD_GLOBAL,

    /// <summary>MEMBARRIER_CMD_GLOBAL_EXPEDITED (Linux 4.16): <see cref="Membarrier.GlobalExpedited"/>.</summary>
    GlobalExpedited = MEMBARRIER_CMD_GLOBAL_EXPEDITED,

    /// <summary>MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED (Linux 4.16).</summary>
    RegisterGlobalExpedited = MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,

    /// <summary>MEMBARRIER_CMD_PRIVATE_EXPEDITED (Linux 4.14): <see cref="Membarrier.PrivateExpedited"/>.</summary>
    PrivateExpedited = MEMBARRIER_CMD_PRIVATE_EXPEDITED,

    /// <summary>MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED (Linux 4.14).</summary>
    RegisterPrivateExpedited = MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,

    /// <summary>
    /// MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE (Linux 4.16, some architectures): <see cref="Membarrier.SyncCore"/>.
    /// </summary>
    PrivateExpeditedSyncCore = MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,

    /// <summary>MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE (Linux 4.16, some architectures).</summary>
    RegisterPrivateExpeditedSyncCore = MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,

    /// <summary>
    /// MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ (Linux 5.10): <see cref="Membarrier.RestartSequences()"/>.
    /// </summary>
    PrivateExpeditedRseq = MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ,

    /// <summary>MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ (Linux 5.10).</summary>
    RegisterPrivateExpeditedRseq = MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ,

    /// <summary>MEMBARRIER_CMD_GET_REGISTRATIONS (Linux 6.3): <see cref="Membarrier.GetRegistrations"/>.</summary>
    GetRegistrations = MEMBARRIER_CMD_GET_REGISTRATIONS,
}
