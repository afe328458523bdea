using Crosscore.Linux;
using Crosscore.PerCpu;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// Where sections are missing, everything works nevertheless, and says so; shown in children that are born under the
/// restriction.
/// </summary>
public sealed class FallbackTests
{
    private const long Rseq = 334;
    private const long MemfdCreate = 319;

    public FallbackTests() => Machine.NeedsRawPrograms();

    [Fact]
    public void Without_a_restriction_everything_is_made_of_sections()
    {
        Threads.NeedRestarts();
        Dictionary<string, string> said = Run(null);
        Assert.Equal("Available", said["State"]);
        Assert.Equal("None", said["Barrier"]);
        Assert.Equal("True True True True True True", said["Sections"]);
    }

    [Fact]
    public void When_glibc_is_told_not_to_register()
    {
        Dictionary<string, string> said = Run(null, ("GLIBC_TUNABLES", "glibc.pthread.rseq=0"));
        AssertStriped(said, RestartableSequencesState.NotRegistered, "GLIBC_TUNABLES");
    }

    [Theory]
    [InlineData(Errno.ENOSYS)]
    [InlineData(Errno.EPERM)]
    public void When_a_sandbox_refuses_rseq(int errno) =>
        AssertStriped(Run(Launcher.Refusing(Rseq, errno)), RestartableSequencesState.NotRegistered, "__rseq_size is 0");

    [Fact]
    public void When_no_machine_code_can_be_installed() =>
        // The runtime would like a memory file too; it does without when it need not keep its own code read-only.
        AssertStriped(
            Run(Launcher.Refusing(MemfdCreate, Errno.EPERM), ("DOTNET_EnableWriteXorExecute", "0")),
            RestartableSequencesState.NoExecutableMemory,
            "memfd_create"
        );

    /// <summary>
    /// Counters and read sections need no barrier of that kind; what must be stopped from outside is striped.
    /// </summary>
    [Fact]
    public void When_membarrier_is_refused_only_what_is_never_stopped_is_made_of_sections()
    {
        Threads.NeedSections();
        Dictionary<string, string> said = Run(Launcher.RefusingMembarrier(Errno.EPERM));
        Assert.Equal("Available", said["State"]);
        Assert.Equal("False", said["CanRestart"]);
        Assert.Equal("Refused", said["Barrier"]);
        Assert.Equal("True False False True False False", said["Sections"]);
    }

    private static void AssertStriped(Dictionary<string, string> said, RestartableSequencesState state, string word)
    {
        Assert.Equal($"{state}", said["State"]);
        Assert.Contains(word, said["Explanation"], StringComparison.Ordinal);
        Assert.Equal("False", said["CanRestart"]);
        Assert.Equal("False", said["ConcurrencyIdTrusted"]);
        Assert.Equal("True", said["AreaIsNone"]);
        Assert.Equal("False False False False False False", said["Sections"]);
    }

    private static Dictionary<string, string> Run(
        RawProgram? launcher,
        params (string Name, string Value)[] environment
    )
    {
        ChildResult result = ChildProcess.RunThisProgram(Child.UsePerCpuData, launcher, environment);
        Assert.SkipWhen(
            result.Status == Launcher.NotAvailable,
            "This system does not let a process filter its own calls."
        );
        Assert.True(result.Status == 0, $"The child ended with status {result.Status}. {result.Errors}");
        Dictionary<string, string> said = result
            .Text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split('\t'))
            .ToDictionary(fields => fields[0], fields => fields[1]);
        Assert.Equal(("True", "40000", "40000", "40000"), (said["Cpu"], said["Sum"], said["Records"], said["Taken"]));
        return said;
    }
}
