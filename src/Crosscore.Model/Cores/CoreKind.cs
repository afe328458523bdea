namespace Crosscore.Model.Cores;

/// <summary>The kinds of cores.</summary>
public enum CoreKind
{
    /// <summary>x86-64 processors, for ordinary write-back memory: x86-TSO.</summary>
    X86Tso,

    /// <summary>Sequential consistency: no processor, but the yardstick.</summary>
    Sc,

    /// <summary>AArch64 processors, for ordinary write-back memory: Promising-ARM, see docs/aarch64.md.</summary>
    AArch64,

    /// <summary>
    /// An approximation of RISC-V processors: AArch64's memory, on which entering and leaving the kernel synchronizes
    /// nothing, so that no control dependency is strengthened on the way, and on which a context switch is no barrier
    /// by itself.
    /// </summary>
    RiscVLike,
}

/// <summary>What a kind of core does, beyond memory, at the borders of the kernel.</summary>
/// <param name="IsWeaklyOrdered">Whether loads and stores may be reordered as on AArch64. Such a core executes AArch64
/// code; the others execute x86-64 code.</param>
/// <param name="ExceptionsSynchronize">Whether exception entry and return synchronize the context, whatever the kernel
/// design says about x86-64.</param>
/// <param name="SwitchOrders">Whether the switch from task to task completes what came before it: the DSB in arm64's
/// switch_to().</param>
internal sealed record CoreRules(bool IsWeaklyOrdered, bool ExceptionsSynchronize, bool SwitchOrders)
{
    /// <summary>The rules of a kind of core.</summary>
    /// <param name="core">The kind.</param>
    public static CoreRules Of(CoreKind core) =>
        core switch
        {
            CoreKind.AArch64 => new(true, true, true),
            CoreKind.RiscVLike => new(true, false, false),
            _ => new(false, false, false),
        };
}
