using Crosscore.Linux;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.Fences;

/// <summary>
/// Fresh processes whose membarrier is refused, hidden or reduced from before the runtime starts, as in a container;
/// and one without any sandbox, to see that the difference is the sandbox's. Every public member is used, and nothing
/// may crash.
/// </summary>
public sealed class SandboxTests
{
    private const string Refusal = nameof(MembarrierException);

    private static readonly string[] NeverThrow =
    [
        "Supported",
        "FindRegistered()",
        "TryRegister(registrations, failure)",
    ];

    public SandboxTests() => Machine.NeedsRawPrograms();

    [Theory]
    [InlineData(Errno.EPERM, nameof(MembarrierFailure.Refused), "seccomp")]
    [InlineData(Errno.ENOSYS, nameof(MembarrierFailure.Absent), "older than 4.3")]
    public void Every_member_says_clearly_that_membarrier_is_refused_or_absent(
        int errno,
        string failure,
        string meaning
    )
    {
        Dictionary<string, string[]> answers = RunUnder(Launcher.RefusingMembarrier(errno));

        Assert.All(
            Child.MembersOfMembarrier().Select(member => member.Name).Except(NeverThrow),
            member =>
            {
                Assert.Equal([Refusal, failure], answers[member][..2]);
                Assert.Contains(meaning, answers[member][2], StringComparison.Ordinal);
                Assert.Contains(Errno.Name(errno), answers[member][2], StringComparison.Ordinal);
            }
        );
        Assert.Equal(["answered", "None"], answers["Supported"]);
        Assert.Equal(["answered", "None"], answers["FindRegistered()"]);
        Assert.Equal(["answered", $"False, {failure}"], answers["TryRegister(registrations, failure)"]);
        string[] others =
        [
            nameof(MachinePromise.InstructionCacheCoherence),
            nameof(MachinePromise.OwnCoreSerialization),
            nameof(MachinePromise.AllThreadsCoreSerialization),
            nameof(MachinePromise.LightFenceIsFree),
        ];
        Assert.All(
            Promises().Except(others),
            promise =>
            {
                Assert.Equal(["No", "Probed"], answers[promise][..2]);
                Assert.Contains(Errno.Name(errno), answers[promise][2], StringComparison.Ordinal);
            }
        );
        Assert.Contains(
            "visits every CPU",
            answers[nameof(MachinePromise.AllThreadsCoreSerialization)][2],
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void What_gVisor_lacks_is_said_to_be_missing_and_the_rest_works()
    {
        Machine.Needs(FakeKernel.Linux63);
        Dictionary<string, string[]> answers = RunUnder(Launcher.LikeGVisor());

        string[] missing =
        [
            "SyncCore()",
            "RestartSequences()",
            "RestartSequences(cpu)",
            "GetRegistrations()",
            "Register(registrations)",
        ];
        Assert.All(
            missing,
            member => Assert.Equal([Refusal, nameof(MembarrierFailure.NotOffered)], answers[member][..2])
        );
        Assert.All(
            ["PrivateExpedited()", "GlobalExpedited()", "Query()"],
            member => Assert.Equal("answered", answers[member][0])
        );
        Assert.Equal(["answered", "False, NotOffered"], answers["TryRegister(registrations, failure)"]);
        Assert.Equal(["answered", "PrivateExpedited"], answers["FindRegistered()"]);
    }

    [Fact]
    public void A_filter_that_spares_query_is_unmasked_by_the_registration()
    {
        Dictionary<string, string[]> answers = RunUnder(Launcher.RefusingAllButQuery(Errno.EPERM));

        // The command's EPERM looks like a missing registration, and following that advice leads to the truth.
        Assert.Equal([Refusal, nameof(MembarrierFailure.NotRegistered)], answers["PrivateExpedited()"][..2]);
        Assert.Equal([Refusal, nameof(MembarrierFailure.Refused)], answers["Register(registrations)"][..2]);
        Assert.Equal([Refusal, nameof(MembarrierFailure.Refused)], answers["GlobalExpedited()"][..2]);
        Assert.Equal(["answered", "None"], answers["FindRegistered()"]);
        Assert.Equal(["No", "Probed"], answers[nameof(MachinePromise.PrivateExpeditedIsRegistered)][..2]);
    }

    [Fact]
    public void Without_a_sandbox_the_runtime_has_registered_PRIVATE_and_nothing_else()
    {
        Machine.Needs(FakeKernel.Linux63);
        Dictionary<string, string[]> answers = RunUnder(launcher: null);

        Assert.Equal(["answered", "PrivateExpedited"], answers["FindRegistered()"]);
        Assert.Equal("answered", answers["PrivateExpedited()"][0]);
        Assert.All(
            ["SyncCore()", "RestartSequences()", "RestartSequences(cpu)"],
            member => Assert.Equal([Refusal, nameof(MembarrierFailure.NotRegistered)], answers[member][..2])
        );
        Assert.Equal("answered", answers["Register(registrations)"][0]);
        Assert.Equal(["answered", "True, None"], answers["TryRegister(registrations, failure)"]);
        Assert.Equal(["Yes", "Probed"], answers[nameof(MachinePromise.PrivateExpeditedIsRegistered)][..2]);
        Assert.Equal(["Yes", "Documented"], answers[nameof(MachinePromise.SiblingsMemoryBarrier)][..2]);
    }

    /// <summary>
    /// A call would have been answered EPERM in this process, as the test above shows, so none was made.
    /// </summary>
    [Fact]
    public void An_absurd_CPU_is_rejected_before_the_kernel_could_complain_of_the_missing_registration()
    {
        Machine.Needs(MembarrierCommands.PrivateExpeditedRseq);
        ChildResult result = ChildProcess.RunThisProgram(Child.UseAbsurdCpus);

        Assert.True(result.Status == 0, result.Errors);
        Assert.Equal(
            Child.AbsurdCpus.Select(_ => nameof(ArgumentOutOfRangeException)),
            result.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        );
    }

    private static string[] Promises() => Enum.GetNames<MachinePromise>();

    /// <summary>
    /// What the child printed, by the name of the member or the promise; it must have used all of them and ended well.
    /// </summary>
    private static Dictionary<string, string[]> RunUnder(RawProgram? launcher)
    {
        ChildResult result = ChildProcess.RunThisProgram(Child.UseEveryMember, launcher);
        Assert.SkipWhen(
            result.Status == Launcher.NotAvailable,
            "This system does not let a process filter its own calls."
        );
        Assert.True(result.Status == 0, $"The child ended with status {result.Status}. {result.Errors}");
        Dictionary<string, string[]> answers = result
            .Text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split('\t'))
            .ToDictionary(fields => fields[0], fields => fields[1..]);
        Assert.Equal(Child.MembersOfMembarrier().Select(member => member.Name).Concat(Promises()), answers.Keys);
        return answers;
    }
}
