using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Tests.Sandbox.Refusals;

namespace Crosscore.Tests.Fences;

/// <summary>What the fences do by system calls, each of which <see cref="RefusalTests"/> refuses.</summary>
internal static class FenceScenarios
{
    public const string Commands = "the commands of membarrier";
    public const string Supported = "what membarrier offers";
    public const string OnOneCpu = "a restart on one CPU";
    public const string Self = "the caller's core";
    public const string AllThreads = "all threads";
    public const string EveryCpu = "a visit to every CPU";
    public const string Movable = "whether every CPU could be visited";
    public const string Heavy = "the heavy fence";
    public const string PageProtection = "the heavy fence by page protection";
    public const string Guarantees = "the guarantees of the machine";
    public const string Release = "the kernel's release";

    public static IReadOnlyList<RefusalScenario> All { get; } =
    [
        new(Commands, UseCommands, typeof(MembarrierException)),
        new(
            Supported,
            () =>
                Demand(
                    Membarrier.Supported.HasFlag(MembarrierCommands.PrivateExpedited),
                    "nothing is said to be supported"
                ),
            typeof(UnansweredException)
        ),
        new(OnOneCpu, UseOneCpu, typeof(MembarrierException)),
        new(Self, CoreSerialization.Self, typeof(CodeException)),
        new(AllThreads, () => CoreSerialization.AllThreads(), typeof(MembarrierException), typeof(CodeException)),
        new(
            EveryCpu,
            () => CoreSerialization.VisitEveryCpu("this is a test"),
            typeof(MembarrierException),
            typeof(CodeException)
        ),
        new(Movable, UseObstacle, typeof(UnansweredException)),
        new(Heavy, AsymmetricFence.Heavy, typeof(MembarrierException)),
        new(PageProtection, AsymmetricFence.Heavy, typeof(InvalidOperationException)),
        new(Guarantees, UseGuarantees, typeof(UnansweredException)) { Prepare = RegisterProcess },
        new(
            Release,
            () => Demand(KernelRelease.Read() is not null, "the release is not known"),
            typeof(UnansweredException)
        ),
    ];

    /// <summary>
    /// Registers the process as an earlier case has: the kernel remembers that, and what is registered is found and
    /// not registered again.
    /// </summary>
    private static void RegisterProcess()
    {
        foreach (
            MembarrierRegistrations registration in Enum.GetValues<MembarrierRegistrations>()
                .Where(one => one != MembarrierRegistrations.None)
        )
        {
            _ = MembarrierCall.Invoke((int)registration, 0, 0);
        }
    }

    private static void UseCommands()
    {
        _ = Membarrier.Query();
        _ = Membarrier.GetRegistrations();
        Membarrier.Register(
            MembarrierRegistrations.GlobalExpedited
                | MembarrierRegistrations.PrivateExpedited
                | MembarrierRegistrations.SyncCore
                | MembarrierRegistrations.RestartSequences
        );
        Membarrier.PrivateExpedited();
        Membarrier.SyncCore();
        Membarrier.RestartSequences();
        Membarrier.GlobalExpedited();
        Membarrier.Global();
    }

    private static void UseObstacle()
    {
        string? obstacle = CpuVisitor.FindObstacle();
        Demand(obstacle is null, obstacle!);
    }

    private static void UseOneCpu()
    {
        Membarrier.Register(MembarrierRegistrations.RestartSequences);
        Membarrier.RestartSequences(0);
    }

    private static void UseGuarantees()
    {
        Dictionary<MachinePromise, GuaranteeAnswer> answers = MachineGuarantees
            .Detect()
            .ToDictionary(line => line.Promise, line => line.Holds);
        if (Environment.OSVersion.Version >= new Version(5, 4))
        {
            Assert.NotEqual(GuaranteeAnswer.Yes, answers[MachinePromise.RegisteredReceiversMemoryBarrier]);
        }

        foreach (
            MachinePromise promise in (MachinePromise[])
                [
                    MachinePromise.SiblingsMemoryBarrier,
                    MachinePromise.SiblingsCoreSerialization,
                    MachinePromise.CallerCoreSerialization,
                    MachinePromise.GlobalMemoryBarrier,
                    MachinePromise.PrivateExpeditedIsRegistered,
                    MachinePromise.OwnCoreSerialization,
                    MachinePromise.AllThreadsCoreSerialization,
                ]
        )
        {
            Demand(answers[promise] == GuaranteeAnswer.Yes, $"{promise} is {answers[promise]}");
        }
    }

    private static void Demand(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new UnansweredException(otherwise);
        }
    }
}
