using System.Runtime.InteropServices;
using Crosscore.Linux;
using static Crosscore.Linux.MembarrierCall;

namespace Crosscore.Tests.Fences;

/// <summary>The pure decisions, by table: where to call at all, what an answer means, which CPU is in a list.</summary>
public sealed class MembarrierDecisionTests
{
    [Theory]
    [InlineData(true, false, false, Architecture.X64, MembarrierFailure.None)]
    [InlineData(true, false, false, Architecture.Arm64, MembarrierFailure.None)]
    [InlineData(true, false, false, Architecture.S390x, MembarrierFailure.WrongPlatform)]
    [InlineData(true, false, false, Architecture.X86, MembarrierFailure.WrongPlatform)]
    [InlineData(false, true, true, Architecture.Arm64, MembarrierFailure.None)] // Android 10
    [InlineData(false, true, false, Architecture.Arm64, MembarrierFailure.UnsafeToCall)] // Android 9
    [InlineData(false, true, false, Architecture.Arm, MembarrierFailure.WrongPlatform)]
    [InlineData(false, false, false, Architecture.X64, MembarrierFailure.WrongPlatform)] // Windows, macOS, FreeBSD
    [InlineData(false, false, false, Architecture.Arm64, MembarrierFailure.WrongPlatform)]
    public void The_call_is_made_where_it_is_known_and_does_not_kill(
        bool linux,
        bool android,
        bool android10,
        Architecture architecture,
        MembarrierFailure expected
    ) => Assert.Equal(expected, ThisKernel.FindObstacle(linux, android, android10, architecture));

    [Theory]
    [InlineData(MEMBARRIER_CMD_QUERY, Errno.ENOSYS, false, false, MembarrierFailure.Absent)]
    [InlineData(MEMBARRIER_CMD_QUERY, Errno.EPERM, false, false, MembarrierFailure.Refused)]
    [InlineData(MEMBARRIER_CMD_PRIVATE_EXPEDITED, Errno.EPERM, false, true, MembarrierFailure.NotRegistered)]
    [InlineData(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, Errno.EPERM, false, true, MembarrierFailure.NotRegistered)]
    [InlineData(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, Errno.EPERM, false, true, MembarrierFailure.NotRegistered)]
    // QUERY is refused too.
    [InlineData(MEMBARRIER_CMD_PRIVATE_EXPEDITED, Errno.EPERM, false, false, MembarrierFailure.Refused)]
    // It was registered.
    [InlineData(MEMBARRIER_CMD_PRIVATE_EXPEDITED, Errno.EPERM, true, true, MembarrierFailure.Refused)]
    // The kernel never says that.
    [InlineData(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, Errno.EPERM, false, true, MembarrierFailure.Refused)]
    [InlineData(MEMBARRIER_CMD_GLOBAL, Errno.EPERM, false, true, MembarrierFailure.Refused)]
    [InlineData(MEMBARRIER_CMD_GLOBAL_EXPEDITED, Errno.EPERM, false, true, MembarrierFailure.Refused)]
    [InlineData(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, Errno.EINVAL, false, true, MembarrierFailure.NotOffered)]
    [InlineData(MEMBARRIER_CMD_GLOBAL, Errno.EINVAL, false, true, MembarrierFailure.NotOffered)] // nohz_full
    [InlineData(MEMBARRIER_CMD_PRIVATE_EXPEDITED, Errno.ENOMEM, true, true, MembarrierFailure.OutOfMemory)]
    [InlineData(MEMBARRIER_CMD_PRIVATE_EXPEDITED, Errno.EAGAIN, true, true, MembarrierFailure.Unexpected)]
    public void An_answer_means_one_thing(
        int command,
        int errno,
        bool registered,
        bool queryAnswers,
        MembarrierFailure expected
    ) => Assert.Equal(expected, MembarrierDiagnosis.Classify(command, errno, registered, queryAnswers));

    [Fact]
    public void Every_failure_of_every_command_is_explained_in_words()
    {
        int[] commands = [0, .. Enumerable.Range(0, 10).Select(bit => 1 << bit)];
        foreach (
            MembarrierFailure failure in Enum.GetValues<MembarrierFailure>()
                .Where(failure => failure != MembarrierFailure.None)
        )
        {
            foreach (int command in commands)
            {
                string message = MembarrierDiagnosis
                    .Explain("Membarrier.ThisOne()", command, failure, Errno.EINVAL)
                    .Message;
                Assert.StartsWith(
                    "Membarrier.ThisOne(): membarrier(MEMBARRIER_CMD_",
                    message,
                    StringComparison.Ordinal
                );
                Assert.Equal(
                    failure == MembarrierFailure.Unexpected,
                    message.Contains("Crosscore bug", StringComparison.Ordinal)
                );
            }
        }
    }

    [Theory]
    [InlineData("0-1", 0, true)]
    [InlineData("0-1", 1, true)]
    [InlineData("0-1", 2, false)]
    [InlineData("0", 0, true)]
    [InlineData("0-3,8,10-11", 8, true)]
    [InlineData("0-3,8,10-11", 9, false)]
    [InlineData("0-3,8,10-11", 11, true)]
    [InlineData("0-8191", 8191, true)]
    [InlineData("", 0, false)]
    [InlineData("(null)", 0, false)]
    public void A_list_of_CPUs_is_read_as_the_kernel_writes_it(string list, int cpu, bool expected) =>
        Assert.Equal(expected, CpuList.Contains(list, cpu));

    [Theory]
    [InlineData("0-")]
    [InlineData("-1")]
    [InlineData("all")]
    public void What_is_no_list_of_CPUs_is_not_guessed_at(string list) =>
        Assert.Throws<FormatException>(() => CpuList.Contains(list, 0));
}
