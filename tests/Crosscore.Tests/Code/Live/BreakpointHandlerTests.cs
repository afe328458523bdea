using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;
using Iced.Intel;

namespace Crosscore.Tests.Code.Live;

/// <summary>The handler leaves what is not its own as it was.</summary>
public sealed class BreakpointHandlerTests
{
    private const int DiedOfSigtrap = 128 + 5;

    [Fact]
    public void A_breakpoint_of_somebody_else_ends_as_it_would_without_live_code()
    {
        Machine.NeedsRawPrograms();
        ChildResult without = ChildProcess.RunThisProgram(Child.MeetForeignBreakpoint);
        ChildResult with = ChildProcess.RunThisProgram(Child.MeetForeignBreakpointWithLiveCode);
        Assert.NotEqual(0, without.Status);
        Assert.Equal(without.Status, with.Status);
        Assert.Equal("a null reference is an exception\n", with.Text);
    }

    [Fact]
    public void Where_the_action_was_the_default_it_still_is()
    {
        Machine.NeedsRawPrograms();
        ChildResult result = ChildProcess.RunThisProgram(Child.MeetDefaultBreakpointWithLiveCode);
        Assert.Equal(DiedOfSigtrap, result.Status);
    }

    [Fact]
    public void Where_the_signal_was_ignored_one_that_is_sent_still_is_and_one_of_an_instruction_is_not()
    {
        Machine.NeedsRawPrograms();
        ChildResult result = ChildProcess.RunThisProgram(Child.MeetIgnoredBreakpointWithLiveCode);
        Assert.Equal("still here\n", result.Text);
        Assert.Equal(DiedOfSigtrap, result.Status);
    }

    [Fact]
    public void A_handler_that_somebody_sets_while_ours_is_put_in_place_gets_its_signals_on_every_path()
    {
        Machine.NeedsRawPrograms();
        ChildResult result = ChildProcess.RunThisProgram(Child.SetHandlerMeanwhile);
        Assert.True(result.Status == 0, $"status {result.Status}: {result.Text} {result.Errors}");
        Assert.Equal("ours is in place\nits flags are kept\n2 signals passed on\n", result.Text);
    }

    [Fact]
    public void Where_sigaction_is_refused_the_patch_is_and_nothing_is_lost()
    {
        Machine.NeedsRawPrograms();
        ChildResult result = ChildProcess.RunThisProgram(Child.PatchWithoutSigaction);
        Assert.SkipWhen(result.Status == Launcher.NotAvailable, "This system does not let a process filter its own calls.");
        Assert.True(result.Status == 0, $"status {result.Status}: {result.Text} {result.Errors}");
        Assert.Equal($"{CodeFailure.BreakpointHandler} {Errno.EPERM}\n0 tables lost\n3\n", result.Text);
    }

    [Fact]
    public void Its_machine_code_decodes_and_each_jump_lands_on_an_instruction()
    {
        Machine.NeedsRawPrograms();
        byte[] code = HandlerCode.Emit(0x1122_3344, 0x2000_0000, 0x1000_0000, 0x5566_7788);
        var decoder = Decoder.Create(64, code);
        var instructions = new List<Instruction>();
        while (decoder.IP < (ulong)code.Length)
        {
            instructions.Add(decoder.Decode());
        }

        HashSet<ulong> starts = [.. instructions.Select(instruction => instruction.IP)];
        Assert.DoesNotContain(instructions, instruction => instruction.IsInvalid);
        Assert.All(instructions.Where(instruction => instruction.Op0Kind == OpKind.NearBranch64), jump => Assert.Contains(jump.NearBranchTarget, starts));

        // Nothing of the caller's is touched: rbx, rbp, r12 to r15, and the arguments for the handler before us.
        Register[] kept = [Register.RBX, Register.RBP, Register.R12, Register.R13, Register.R14, Register.R15];
        Assert.DoesNotContain(instructions, instruction => kept.Contains(instruction.Op0Register.GetFullRegister()) && instruction.Mnemonic is not (Mnemonic.Push or Mnemonic.Pop or Mnemonic.Cmp or Mnemonic.Test));
    }
}
