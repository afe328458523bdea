using Crosscore.Code;
using Crosscore.Tests.Raw;

namespace Crosscore.Tests;

/// <summary>
/// What docs/code.md shows, between markers, word for word; <see cref="ExampleTests"/> compares them.
/// </summary>
public sealed class CodeExampleTests
{
    [Fact]
    public void Code_is_installed_called_through_a_slot_exchanged_and_reclaimed()
    {
        byte[] bytes = MachineCode.Return42;
        var verifier = new Trusting();
        // shown
        var writer = new CodeWriter("query42"); // no executable side: bytes in ordinary memory
        CodeFunction filter = writer.Append(bytes, "filter"); // position-independent; many functions to a segment
        // sealed, read back, compared; the verifier sees exactly these bytes
        using SealedCode code = writer.Seal(verifier);
        InstalledCode installed = code.Install(); // executable, and at no time writable
        nint entry = installed.AddressOf(filter); // publish it as any other data: a release store
        // end
        Assert.Equal(42, MachineCode.Call(entry));
        InstalledCode next = code.Install();
        nint other = next.AddressOf(filter);
        // shown
        var slot = new CodeSlot(installed.AddressOf(filter));
        slot.Target = other; // one store; any thread, while any number of threads call slot.Address
        // end
        Assert.Equal(42, MachineCode.Call(slot.Address));
        // shown
        CodeReclaimer reclaimer = CodeReclaimer.AfterSuspension;
        slot.Target = other; // first nothing leads to the old code any more,
        reclaimer.Retire(installed); // then it may go: unmapped by a later call, or after the next collection
        // end
        _ = reclaimer.WaitAndReclaim();
        Assert.Equal("---p", Maps.PermissionsAt(entry));
        Assert.Equal(42, MachineCode.Call(slot.Address)); // Stays: a slot leads to it.
    }

    [Fact]
    public void Live_code_is_changed()
    {
        Machine.NeedsRawPrograms();
        byte[] nop5 = [0x0F, 0x1F, 0x44, 0x00, 0x00];
        byte[] jump = [0xE9, 0, 0xFF, 0xFF, 0xFF]; // Backwards, so that all five bytes change.
        byte[] bytes =
        [
            .. Enumerable.Repeat((byte)0x90, 64),
            0xB8,
            1,
            0,
            0,
            0,
            .. Enumerable.Repeat((byte)0x90, 4093 - 69),
            .. nop5,
            0xC3,
        ];
        // shown
        using LiveCode code = LiveCode.Install(bytes); // whole instructions, from the first byte to the last
        PatchPlan plan = new CodePatch()
            .Replace(code, 64, nop5)
            .Replace(code, 4093, jump) // any number, in any number of pieces of code
            .Commit(); // from here on every thread executes the new ones
        Console.WriteLine($"{plan.Method}: {plan.Reason}");
        // end
        Assert.Equal((PatchMethod.Breakpoint, 2), (plan.Method, plan.Sites));
    }

    private sealed class Trusting : ICodeVerifier
    {
        public CodeVerdict Verify(CodeToVerify code) => CodeVerdict.Accepted;
    }
}
