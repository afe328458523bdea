using System.Reflection;
using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Rcu;
using Crosscore.Tests.Code.Live;
using Crosscore.Tests.Fences;
using Crosscore.Tests.HazardPointers;
using Crosscore.Tests.Rcu;

namespace Crosscore.Tests.Sandbox;

/// <summary>
/// What this program does as the child of a test: it uses the library from a fresh process, often under a sandbox that
/// was closed before the runtime started, and prints one line for each thing it tried.
/// </summary>
internal static class Child
{
    public const string Marker = "child-of-a-test";
    public const string UseEveryMember = nameof(UseEveryMember);
    public const string UseAbsurdCpus = nameof(UseAbsurdCpus);
    public const string RunSealedCode = nameof(RunSealedCode);
    public const string MeetForeignBreakpoint = nameof(MeetForeignBreakpoint);
    public const string MeetForeignBreakpointWithLiveCode = nameof(MeetForeignBreakpointWithLiveCode);
    public const string MeetDefaultBreakpointWithLiveCode = nameof(MeetDefaultBreakpointWithLiveCode);
    public const string MeetIgnoredBreakpointWithLiveCode = nameof(MeetIgnoredBreakpointWithLiveCode);
    public const string ReclaimAfterSuspension = nameof(ReclaimAfterSuspension);
    public const string ReclaimAfterSuspensionOrdinaryCalls = nameof(ReclaimAfterSuspensionOrdinaryCalls);
    public const string ReclaimAfterReadSections = nameof(ReclaimAfterReadSections);
    public const string ReclaimAfterReadSectionsOrdinaryCalls = nameof(ReclaimAfterReadSectionsOrdinaryCalls);
    public const string TryCode = nameof(TryCode);
    public const string RaceVictim = nameof(RaceVictim);
    public const string RaceAttack = nameof(RaceAttack);
    public const string MeetPreparedPerfMaps = nameof(MeetPreparedPerfMaps);
    public const string ImportUnderHeapLimit = nameof(ImportUnderHeapLimit);
    public const string NameForPerf = nameof(NameForPerf);
    public const string NameForDebugger = nameof(NameForDebugger);
    public const string SpinForProfiler = nameof(SpinForProfiler);
    public const string PlanWhileTraced = nameof(PlanWhileTraced);
    public const string MeetDebuggersBreakpoints = nameof(MeetDebuggersBreakpoints);
    public const string CrashInNamedCode = nameof(CrashInNamedCode);
    public const string ReclaimAtOnce = nameof(ReclaimAtOnce);
    public const string EndWithHazards = nameof(EndWithHazards);
    public const string EndWithHazardThatHangs = nameof(EndWithHazardThatHangs);
    public const string EndByHazard = nameof(EndByHazard);
    public const string EndWithLateDefault = nameof(EndWithLateDefault);
    public const string CompileLightFences = nameof(CompileLightFences);
    public const string TryFences = nameof(TryFences);
    public const string UsePerCpuData = nameof(UsePerCpuData);
    public const string ListenBadly = nameof(ListenBadly);
    public const string ListenAndUse = nameof(ListenAndUse);
    public const string ListenAndWait = nameof(ListenAndWait);
    public const string TortureRcu = nameof(TortureRcu);
    public const string ExitInsideOfSection = nameof(ExitInsideOfSection);
    public const string PatchWithoutSigaction = nameof(PatchWithoutSigaction);
    public const string PatchWithoutMembarrier = nameof(PatchWithoutMembarrier);
    public const string RetireWithoutThreads = nameof(RetireWithoutThreads);
    public const string WaitOnSmallPool = nameof(WaitOnSmallPool);
    public const string WaitForPerCpuReaders = nameof(WaitForPerCpuReaders);
    public const string ReplaceAndEnd = nameof(ReplaceAndEnd);
    public const string EndWithReaderOfDefault = nameof(EndWithReaderOfDefault);
    public const string EndInsideOfDefault = nameof(EndInsideOfDefault);
    public const string EndInCallbackOfDefault = nameof(EndInCallbackOfDefault);
    public const string UseMissingFence = nameof(UseMissingFence);
    public const string OrderReclamation = nameof(OrderReclamation);
    public const string StressReclamation = nameof(StressReclamation);
    public const string MeetRefusals = nameof(MeetRefusals);
    public const string PollCounters = nameof(PollCounters);
    public const string CallListeners = nameof(CallListeners);
    public const string CompileVolatileReads = nameof(CompileVolatileReads);
    public const string UseHiddenSystem = nameof(UseHiddenSystem);

    /// <summary>The largest number of CPUs that any kernel configuration allows is 8192.</summary>
    public static IReadOnlyList<int> AbsurdCpus { get; } = [-1, int.MinValue, 9999, int.MaxValue];

    public static int Run(string task)
    {
        switch (task)
        {
            case UseEveryMember:
                foreach ((string member, Func<object?> use) in MembersOfMembarrier())
                {
                    Console.WriteLine($"{member}\t{Outcome(use)}");
                }

                foreach (MachineGuarantee guarantee in MachineGuarantees.Detect())
                {
                    Console.WriteLine($"{guarantee.Promise}\t{guarantee.Holds}\t{guarantee.Basis}\t{guarantee.Source}");
                }

                return 0;
            case UseAbsurdCpus:
                MethodInfo restart = typeof(Membarrier).GetMethod(nameof(Membarrier.RestartSequences), [typeof(int)])!;
                foreach (int cpu in AbsurdCpus)
                {
                    Console.WriteLine(Outcome(() => restart.Invoke(null, [cpu])).Split('\t')[0]);
                }

                return 0;
            case RunSealedCode:
                using (LiveCode live = LiveCode.Install(MachineCode.Return42))
                {
                    Console.WriteLine($"{MachineCode.Call(live.Address)} live");
                }

                Console.WriteLine(
                    $"{MachineCode.Call(MachineCode.Return42)} under "
                        + $"{File.ReadAllText("/proc/sys/vm/memfd_noexec").Trim()}"
                );
                return 0;
            case TryCode:
                return CodeTrial.TryEverything();
            case RaceVictim:
                return CodeRace.RunVictim();
            case RaceAttack:
                return CodeRace.RunAttacker();
            case MeetPreparedPerfMaps:
                return PerfMapTests.MeetPrepared();
            case ImportUnderHeapLimit:
                return HostileTableTests.ImportUnderHeapLimit();
            case NameForPerf:
                return CodeTrial.PublishToPerf();
            case NameForDebugger:
                return CodeTrial.AskDebugger();
            case SpinForProfiler:
                return ProfilerTrial.Spin();
            case PlanWhileTraced:
                return TracedTrial.Plan();
            case MeetDebuggersBreakpoints:
                return TracedTrial.MeetDebuggersBreakpoints();
            case CrashInNamedCode:
                return CrashTrial.Crash();
            case ReclaimAfterSuspension:
                return ReclaimTorture.Run(CodeReclaimer.AfterSuspension, ReclaimTorture.CallKind.WithoutTransition);
            case ReclaimAfterReadSections:
                return ReclaimTorture.Run(
                    CodeReclaimer.AfterReadSections(RcuDomain.Default),
                    ReclaimTorture.CallKind.InReadSection
                );
            case ReclaimAfterReadSectionsOrdinaryCalls:
                return ReclaimTorture.Run(
                    CodeReclaimer.AfterReadSections(RcuDomain.Default),
                    ReclaimTorture.CallKind.Ordinary
                );
            case ReclaimAfterSuspensionOrdinaryCalls:
                return ReclaimTorture.Run(CodeReclaimer.AfterSuspension, ReclaimTorture.CallKind.Ordinary);
            case EndWithHazards:
                HazardDefaultTests.RunEnd();
                return 0;
            case EndWithHazardThatHangs:
                HazardDefaultTests.RunEndThatHangs();
                return 0;
            case EndByHazard:
                HazardDefaultTests.RunEndByCallback();
                return 0;
            case EndWithLateDefault:
                HazardDefaultTests.RunEndWithLateDefault();
                return 0;
            case ReclaimAtOnce:
                return ReclaimTorture.Run(null, ReclaimTorture.CallKind.WithoutTransition);
            case CompileLightFences:
                return FencedCode.CompileInEveryTier();
            case TryFences:
                FenceTrial.RunAndPrint();
                return 0;
            case PatchWithoutSigaction:
                return LivePatchTrial.PatchWithoutSigaction();
            case PatchWithoutMembarrier:
                return LivePatchTrial.PatchWithoutMembarrier();
            case MeetForeignBreakpoint:
                return MeetBreakpoint();
            case MeetForeignBreakpointWithLiveCode:
                _ = LiveCode.Install(MachineCode.Return42);
                return MeetBreakpoint();
            case MeetDefaultBreakpointWithLiveCode:
                InstallLiveCodeOver(Signals.SIG_DFL);
                return MeetBreakpoint();
            case MeetIgnoredBreakpointWithLiveCode:
                InstallLiveCodeOver(Signals.SIG_IGN);
                Console.WriteLine(SendSigtrap() == 0 ? "a signal is ignored" : "no signal was sent");
                return MeetBreakpoint();
            case UsePerCpuData:
                PerCpu.PerCpuChild.Run();
                return 0;
            case ListenBadly:
                PerCpu.ListenerChild.ListenBadly();
                return 0;
            case ListenAndUse:
                PerCpu.ListenerChild.ListenAndUse();
                return 0;
            case ListenAndWait:
                PerCpu.ListenerChild.ListenAndWait();
                return 0;
            case TortureRcu:
                RcuTorture.RunAndPrint();
                return 0;
            case ExitInsideOfSection:
                RcuHazards.LeaveThreadsInside();
                return 0;
            case RetireWithoutThreads:
                RcuHazards.RetireWithoutThreads();
                return 0;
            case WaitOnSmallPool:
                RcuHazards.WaitOnSmallPool();
                return 0;
            case WaitForPerCpuReaders:
                Crosscore.Tests.PerCpu.BlockedPool.Run();
                return 0;
            case ReplaceAndEnd:
                RcuHazards.ReplaceAndEnd();
                return 0;
            case EndWithReaderOfDefault:
                RcuHazards.EndWithReaderOfDefault();
                return 0;
            case EndInsideOfDefault:
                RcuHazards.EndInsideOfDefault();
                return 0;
            case EndInCallbackOfDefault:
                RcuHazards.EndInCallbackOfDefault();
                return 0;
            case UseMissingFence:
                RcuHazards.UseMissingFence();
                return 0;
            case OrderReclamation:
                ReclamationModeTests.RunOrders();
                return 0;
            case StressReclamation:
                ReclamationModeTests.RunStress();
                return 0;
            case CompileVolatileReads:
                return VolatileReadTests.CompileControls();
            case PollCounters:
                return CodeEventsTests.PollCounters();
            case CallListeners:
                return CodeEventsTests.CallListeners();
            case MeetRefusals:
                return Refusals.RefusalChild.Run();
            case UseHiddenSystem:
                return Hidden.HiddenSystemChild.Run();
            default:
                Console.Error.WriteLine($"no such task: {task}");
                return 2;
        }
    }

    /// <summary>
    /// Sends SIGTRAP to the calling thread, which has executed the handler when this returns. Returns 0 or -1.
    /// </summary>
    public static nint SendSigtrap()
    {
        const nint Gettid = 186;
        const nint Tkill = 200;
        return Libc.Syscall(Tkill, Libc.Syscall(Gettid, 0, 0, 0), Signals.SIGTRAP, 0);
    }

    private static void InstallLiveCodeOver(nint handler)
    {
        _ = Signals.Get(Signals.SIGTRAP, out SignalAction action);
        action.Handler = handler;
        _ = Signals.Set(Signals.SIGTRAP, action);
        _ = LiveCode.Install(MachineCode.Return42);
    }

    /// <summary>
    /// Executes an INT3 that belongs to no patch; what happens then is the runtime's business, or the default. The
    /// exceptions that the runtime makes of signals must continue to work before.
    /// </summary>
    private static int MeetBreakpoint()
    {
        string? nothing = Environment.GetEnvironmentVariable("CROSSCORE_NO_SUCH_VARIABLE");
        try
        {
            Console.WriteLine(nothing!.Length);
        }
        catch (NullReferenceException)
        {
            Console.WriteLine("a null reference is an exception");
        }

        Console.Out.Flush();
        return MachineCode.Call([0xCC, 0xC3]);
    }

    /// <summary>
    /// Found by reflection, so that a member that is added is tested under every sandbox as well. Registrations come
    /// last.
    /// </summary>
    public static IEnumerable<(string Name, Func<object?> Use)> MembersOfMembarrier()
    {
        const BindingFlags PublicStatic = BindingFlags.Public | BindingFlags.Static;
        foreach (PropertyInfo property in typeof(Membarrier).GetProperties(PublicStatic))
        {
            yield return (property.Name, () => property.GetValue(null));
        }

        foreach (
            MethodInfo method in typeof(Membarrier)
                .GetMethods(PublicStatic)
                .Where(method => !method.IsSpecialName)
                .OrderBy(method => method.Name is nameof(Membarrier.Register) or nameof(Membarrier.TryRegister))
        )
        {
            ParameterInfo[] parameters = method.GetParameters();
            object?[] arguments = [.. parameters.Select(Example)];
            yield return (
                $"{method.Name}({string.Join(", ", parameters.Select(parameter => parameter.Name))})",
                () =>
                {
                    object? answer = method.Invoke(null, arguments);
                    return string.Join(", ", arguments.Where((_, i) => parameters[i].IsOut).Prepend(answer));
                }
            );
        }
    }

    private static object? Example(ParameterInfo parameter) =>
        parameter.ParameterType == typeof(int) ? 0
        : parameter.ParameterType == typeof(MembarrierRegistrations) ? MembarrierRegistrations.SyncCore
        : null;

    private static string Outcome(Func<object?> use)
    {
        try
        {
            return $"answered\t{use()}";
        }
        catch (TargetInvocationException wrapped) when (wrapped.InnerException is MembarrierException refusal)
        {
            return $"{nameof(MembarrierException)}\t{refusal.Failure}\t{refusal.Message}";
        }
        catch (TargetInvocationException wrapped)
        {
            return $"{wrapped.InnerException!.GetType().Name}\t{wrapped.InnerException.Message}";
        }
    }
}
