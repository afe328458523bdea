namespace Crosscore.Litmus.Syntax;

/// <summary>The commands that <c>membarrier</c> takes in a test.</summary>
public enum MembarrierCommand
{
    /// <summary>MEMBARRIER_CMD_GLOBAL.</summary>
    Global = 1,

    /// <summary>MEMBARRIER_CMD_GLOBAL_EXPEDITED.</summary>
    GlobalExpedited = 2,

    /// <summary>MEMBARRIER_CMD_PRIVATE_EXPEDITED.</summary>
    PrivateExpedited = 8,

    /// <summary>MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE.</summary>
    PrivateExpeditedSyncCore = 32,

    /// <summary>MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ.</summary>
    PrivateExpeditedRseq = 128,
}
