using System.Runtime.InteropServices;

namespace Crosscore;

/// <summary>What the choice of a mode depends on.</summary>
/// <param name="IsLinux">Whether the system is Linux.</param>
/// <param name="RuntimeBarrierIsSound">Whether the process-wide barrier of .NET uses a call of the system that is one:
/// Windows and the systems of Apple.</param>
/// <param name="Architecture">The architecture of the process.</param>
/// <param name="Membarrier">Why PRIVATE_EXPEDITED cannot be used, or <see cref="MembarrierFailure.None"/>.</param>
/// <param name="Emulated">Whether the kernel is an emulation of Linux (gVisor), which promises nothing about
/// interrupts.</param>
/// <param name="BroadcastsInvalidations">Whether the processor can invalidate the translations of others without
/// interrupting them (INVLPGB).</param>
/// <param name="RuntimeMajor">The major version of .NET.</param>
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
/// The mode of <see cref="AsymmetricFence"/>, its reason and its barrier. <see cref="Choose"/> is pure. A chosen mode
/// that is unavailable leaves both sides full fences, which are always right, and an error that every caller gets.
/// </summary>
/// <param name="Mode">The mode.</param>
/// <param name="Reason">Why it was taken, or what it rests on.</param>
/// <param name="Error">Why the chosen mode is unavailable, or null.</param>
internal sealed record FenceDecision(AsymmetricFenceMode Mode, string Reason, string? Error)
{
    /// <summary>
    /// The major version of .NET whose compiled code the tests have read. Light rests on what its JIT does with
    /// <see cref="Volatile.ReadBarrier"/>, which no document promises, so on another version it is not relied on.
    /// </summary>
    public const int TestedRuntime = 10;

    public const string PropertyName = "Crosscore.AsymmetricFence";
    public const string VariableName = "CROSSCORE_ASYMMETRIC_FENCE";

    /// <summary>
    /// A message for the user, where full fences were taken only because the tests have not seen this version of .NET;
    /// otherwise null.
    /// </summary>
    public string? Warning { get; private init; }

    /// <summary>The barrier of the mode, which is a full fence in the caller too.</summary>
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
    /// Gets the name of the chosen mode, from the property or else from the variable; an empty name chooses nothing. A
    /// property that is no string counts by its text, so that a text which names no mode is an error.
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
                return new FenceDecision(best, $"there is no process-wide barrier here: {Why(facts)}", null);
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
                    + "after its tests (AsymmetricFenceCodeTests) have passed there.",
            };
        }

        // Names only: Enum.TryParse takes numbers too.
        if (!Enum.GetNames<AsymmetricFenceMode>().Contains(wish.Trim(), StringComparer.OrdinalIgnoreCase))
        {
            string error =
                $"AsymmetricFence: unknown mode '{wish}' in {PropertyName} or {VariableName}; "
                + $"choose one of {string.Join(", ", Enum.GetNames<AsymmetricFenceMode>())}.";
            return new FenceDecision(AsymmetricFenceMode.Symmetric, error, error);
        }

        AsymmetricFenceMode chosen = Enum.Parse<AsymmetricFenceMode>(wish.Trim(), ignoreCase: true);
        return chosen == AsymmetricFenceMode.Symmetric ? new FenceDecision(chosen, "chosen", null)
            : Obstacle(chosen, facts) is { } obstacle ? Refused(chosen, obstacle)
            : new FenceDecision(chosen, $"chosen; {Basis(chosen)}", null);
    }

    /// <summary>
    /// The modes that are taken without being chosen. Page protection is not one: no document promises that it is a
    /// barrier, and a hypervisor or processor that flushes for others need not interrupt them.
    /// </summary>
    private static IEnumerable<AsymmetricFenceMode> Candidates { get; } =
    [AsymmetricFenceMode.Membarrier, AsymmetricFenceMode.Runtime];

    private static FenceDecision Refused(AsymmetricFenceMode mode, string obstacle) =>
        new(
            AsymmetricFenceMode.Symmetric,
            obstacle,
            $"AsymmetricFence: the mode {mode}, chosen by {PropertyName} or {VariableName}, is unavailable here: "
                + $"{obstacle}. Remove the obstacle, or choose {AsymmetricFenceMode.Symmetric}."
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
        + $"was not chosen ({PropertyName}, {VariableName})";

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
                : "Interlocked.MemoryBarrierProcessWide is relied on only on Windows and the systems of Apple",
            AsymmetricFenceMode.PageProtection => facts switch
            {
                { IsLinux: false } or { Architecture: not Architecture.X64 } =>
                    "mprotect(2) is a barrier on Linux on x86-64 only",
                { Emulated: true } => "mprotect(2) of gVisor is not known to be a barrier",
                { BroadcastsInvalidations: true } =>
                    "mprotect(2) need not interrupt other processors with INVLPGB (Linux 6.15)",
                _ => null,
            },
            _ => null,
        };
}
