namespace Crosscore;

/// <summary>
/// Detects what holds on this machine, for the caller and for its siblings separately, and how that is known.
/// docs/guarantees.md has the same for all systems.
/// </summary>
/// <example>
/// <code>
/// foreach (MachineGuarantee guarantee in MachineGuarantees.Detect())
/// {
///     Console.WriteLine($"{guarantee.Holds}: {guarantee.What} ({guarantee.Source})");
/// }
///
/// MachineGuarantee light = MachineGuarantees.Detect(MachinePromise.LightFenceIsFree);
/// Console.WriteLine(light.Holds == GuaranteeAnswer.Yes ? "the light fence is free" : light.Source);
/// </code>
/// </example>
public static class MachineGuarantees
{
    private static readonly MembarrierCommands[] Promised =
    [
        MembarrierCommands.Global,
        MembarrierCommands.GlobalExpedited,
        MembarrierCommands.PrivateExpedited,
        MembarrierCommands.PrivateExpeditedSyncCore,
        MembarrierCommands.PrivateExpeditedRseq,
    ];

    /// <summary>
    /// Asks the machine, tries what it offers, and decides every <see cref="MachinePromise"/>, in their order. Never
    /// throws because of the system: where something is absent or refused, the answers say so. An answer that cannot
    /// be decided is <see cref="GuaranteeAnswer.Unknown"/>. No answer is remembered: the next call asks again.
    /// </summary>
    /// <remarks>
    /// Only a trial shows that a sandbox allows a command and that code can be installed. So each command that the
    /// kernel offers is executed once, which registers the process for those that need it (10 to 25 ms each, the
    /// first time) and interrupts the CPUs that run siblings; the instruction of <see cref="CoreSerialization"/> is
    /// installed and executed; <see cref="AsymmetricFence"/> decides its mode. No thread is moved.
    /// </remarks>
    public static IReadOnlyList<MachineGuarantee> Detect()
    {
        // before the trials register anything
        KernelFacts facts = KernelFacts.Read() with
        {
            Registered = Membarrier.FindRegistered(),
        };
        Dictionary<MembarrierCommands, MembarrierFailure> trials = Promised
            .Where(command => facts.Supported.HasFlag(command))
            .ToDictionary(
                command => command,
                command => Membarrier.Session.Try("MachineGuarantees.Detect()", (int)command)
            );
        return GuaranteeTable.Decide(
            new MachineFacts(facts)
            {
                Trials = trials,
                Self = CoreSerialization.TrySelf(),
                AllThreads = CoreSerialization.TryAllThreads(),
                Fence = AsymmetricFence.Decide(),
            }
        );
    }

    /// <summary>Detects as <see cref="Detect()"/> does, and gets the answer for one promise.</summary>
    /// <param name="promise">The promise.</param>
    /// <exception cref="ArgumentOutOfRangeException">The promise is no value of the enumeration.</exception>
    public static MachineGuarantee Detect(MachinePromise promise) =>
        Enum.IsDefined(promise)
            ? Detect()[(int)promise]
            : throw new ArgumentOutOfRangeException(
                nameof(promise),
                promise,
                "MachineGuarantees.Detect: no such promise; use a value of MachinePromise."
            );
}
