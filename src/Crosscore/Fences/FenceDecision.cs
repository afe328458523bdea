using System.Runtime.InteropServices;

namespace Crosscore;

/// <summary>What the choice of a mode depends on.</summary>
/// <param name="IsLinux">Whether the system is Linux.</param>
/// <param name="RuntimeBarrierIsSound">Whether .NET's own process-wide barrier rests on a call of the system that is
/// one: Windows and Apple's systems.</param>
/// <param name="Architecture">Of the process.</param>
/// <param name="Membarrier">Why PRIVATE_EXPEDITED cannot be used, or <see cref="MembarrierFailure.None"/>.</param>
/// <param name="Emulated">Whether the kernel is an emulation of Linux (gVisor), which promises nothing about
/// interrupts.</param>
/// <param name="BroadcastsInvalidations">Whether the processor can make others forget translations without interrupting
/// them (INVLPGB).</param>
/// <param name="RuntimeMajor">The major version of .NET that runs this.</param>
internal sealed record FenceFacts(
    bool IsLinux,
    bool RuntimeBarrierIsSound,
    Architecture Architecture,
    MembarrierFailure Membarrier,
    bool Emulated,
    bool BroadcastsInvalidations,
    int RuntimeMajor
);

/// <summary>
/// The mode of <see cref="AsymmetricFence"/>, why, and the barrier behind it. <see cref="Choose"/> is pure. A choice
/// that cannot be had leaves both sides full fences, which are always right, and an error that every caller gets to
/// see.
/// </summary>
/// <param name="Mode">What stands behind the pair.</param>
/// <param name="Reason">Why, or what it rests on.</param>
/// <param name="Error">Why a choice cannot be had, or null.</param>
internal sealed record FenceDecision(AsymmetricFenceMode Mode, string Reason, string? Error)
{
    /// <summary>
    /// The major version of .NET whose compiled code the tests have read. Light rests on what its JIT does with <see
    /// cref="Volatile.ReadBarrier"/>, which no document promises, so on another one nothing is taken for granted.
    /// </summary>
    public const int TestedRuntime = 10;

    public const string PropertyName = "Crosscore.AsymmetricFence";
    public const string VariableName = "CROSSCORE_ASYMMETRIC_FENCE";

    /// <summary>
    /// Set where full fences were taken only because the tests have not seen this version of .NET: what to tell the
    /// user.
    /// </summary>
    public string? Warning { get; private init; }

    /// <summary>Takes a full fence in the caller too.</summary>
    public Action Barrier =>
        Mode switch
        {
            AsymmetricFenceMode.Membarrier => Crosscore.Membarrier.PrivateExpedited,
            AsymmetricFenceMode.PageProtection => ProtectedPage.Fence,
            AsymmetricFenceMode.Runtime => Interlocked.MemoryBarrierProcessWide,
            _ => Interlocked.MemoryBarrier,
        };

    public static FenceDecision Make()
    {
        string? wish = Wish(AppContext.GetData(PropertyName), Environment.GetEnvironmentVariable(VariableName));
        FenceDecision decision = Choose(wish, FenceProbe.Ask());
        if (decision.Warning is { } warning)
        {
            FenceEvents.Warn(warning);
        }

        if (decision.Mode == AsymmetricFenceMode.PageProtection && ProtectedPage.Prepare() is { } obstacle)
        {
            decision = Refused(AsymmetricFenceMode.PageProtection, obstacle);
        }

        return decision;
    }

    /// <summary>
    /// The name of the mode that was chosen, by the property before the variable; an empty one chooses nothing. A value
    /// of the property that is no string counts by its text, so that one which names no mode is an error.
    /// </summary>
    public static string? Wish(object? property, string? variable)
    {
        string? text =
            property as string ?? (property is null ? null : property.ToString() ?? property.GetType().FullName);
        return string.IsNullOrWhiteSpace(text) ? variable : text;
    }

    public static FenceDecision Choose(string? wish, FenceFacts facts)
    {
        if (string.IsNullOrWhiteSpace(wish))
        {
            // Symmetric, if there is none
            AsymmetricFenceMode best = Candidates.FirstOrDefault(mode => Obstacle(mode, facts) is null);
            if (best == AsymmetricFenceMode.Symmetric)
            {
                return new FenceDecision(best, $"no process-wide barrier here: {Why(facts)}", null);
            }

            if (facts.RuntimeMajor == TestedRuntime)
            {
                return new FenceDecision(best, Basis(best), null);
            }

            string reason =
                $".NET {facts.RuntimeMajor} is not the version whose compiled code this library was tested with "
                + $"(.NET {TestedRuntime}), and the light fence rests on that code";
            return new FenceDecision(AsymmetricFenceMode.Symmetric, reason, null)
            {
                Warning =
                    $"AsymmetricFence: both sides are full fences, because {reason}. "
                    + $"Use a version of Crosscore that knows .NET {facts.RuntimeMajor}, "
                    + $"or choose {best} by {PropertyName} or {VariableName} "
                    + "once its tests (AsymmetricFenceCodeTests) have passed there.",
            };
        }

        // Names only: Enum.TryParse takes numbers too.
        if (!Enum.GetNames<AsymmetricFenceMode>().Contains(wish.Trim(), StringComparer.OrdinalIgnoreCase))
        {
            string error =
                $"AsymmetricFence: '{wish}' was chosen by {PropertyName} or {VariableName}; "
                + $"there are {string.Join(", ", Enum.GetNames<AsymmetricFenceMode>())}.";
            return new FenceDecision(AsymmetricFenceMode.Symmetric, error, error);
        }

        AsymmetricFenceMode chosen = Enum.Parse<AsymmetricFenceMode>(wish.Trim(), ignoreCase: true);
        return chosen == AsymmetricFenceMode.Symmetric ? new FenceDecision(chosen, "chosen", null)
            : Obstacle(chosen, facts) is { } obstacle ? Refused(chosen, obstacle)
            : new FenceDecision(chosen, $"chosen; {Basis(chosen)}", null);
    }

    /// <summary>
    /// Taken without being asked for. Page protection is not: no document promises that it is a barrier, and a
    /// hypervisor or processor that flushes for others need not interrupt them.
    /// </summary>
    private static IEnumerable<AsymmetricFenceMode> Candidates { get; } =
    [AsymmetricFenceMode.Membarrier, AsymmetricFenceMode.Runtime];

    private static FenceDecision Refused(AsymmetricFenceMode mode, string obstacle) =>
        new(
            AsymmetricFenceMode.Symmetric,
            obstacle,
            $"AsymmetricFence: {mode} was chosen by {PropertyName} or {VariableName} "
                + $"and cannot be had here: {obstacle}."
        );

    private static string Basis(AsymmetricFenceMode mode) =>
        mode switch
        {
            AsymmetricFenceMode.Membarrier => "membarrier(2), PRIVATE_EXPEDITED",
            AsymmetricFenceMode.PageProtection =>
                "mprotect(2) interrupts every processor that runs the process on x86-64; no document promises it",
            _ => "Interlocked.MemoryBarrierProcessWide",
        };

    private const string NotAsked =
        $"{nameof(AsymmetricFenceMode.PageProtection)}, which no document promises, "
        + $"was not asked for ({PropertyName}, {VariableName})";

    private static string Why(FenceFacts facts) =>
        Obstacle(facts.IsLinux ? AsymmetricFenceMode.Membarrier : AsymmetricFenceMode.Runtime, facts)
        + (!facts.IsLinux ? "" : $"; and {Obstacle(AsymmetricFenceMode.PageProtection, facts) ?? NotAsked}");

    private static string? Obstacle(AsymmetricFenceMode mode, FenceFacts facts) =>
        mode switch
        {
            AsymmetricFenceMode.Membarrier => facts.Membarrier == MembarrierFailure.None
                ? null
                : $"membarrier(2) cannot be used ({facts.Membarrier})",
            AsymmetricFenceMode.Runtime => facts.RuntimeBarrierIsSound
                ? null
                : "Interlocked.MemoryBarrierProcessWide is relied upon on Windows and Apple's systems only",
            AsymmetricFenceMode.PageProtection => facts switch
            {
                { IsLinux: false } or { Architecture: not Architecture.X64 } =>
                    "mprotect(2) is a barrier on Linux on x86-64 only",
                { Emulated: true } => "mprotect(2) of gVisor is not known to be a barrier",
                { BroadcastsInvalidations: true } =>
                    "mprotect(2) need not interrupt anybody on a processor with INVLPGB (Linux 6.15)",
                _ => null,
            },
            _ => null,
        };
}
