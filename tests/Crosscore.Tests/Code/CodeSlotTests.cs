using System.Runtime.InteropServices;
using Crosscore.Code;
using Iced.Intel;

namespace Crosscore.Tests;

/// <summary>A slot's address stays, what it runs changes.</summary>
public sealed class CodeSlotTests
{
    [Fact]
    public void A_call_goes_where_the_last_store_said()
    {
        using InstalledCode one = Install(1);
        using InstalledCode two = Install(2);
        var slot = new CodeSlot(one.Address);
        Assert.Equal(1, MachineCode.Call(slot.Address));
        slot.Target = two.Address;
        Assert.Equal(2, MachineCode.Call(slot.Address));
        Assert.Equal(two.Address, slot.Exchange(one.Address));
        Assert.Equal(1, MachineCode.CallWithoutTransition(slot.Address));
        Assert.Equal(one.Address, slot.Target);
    }

    [Fact]
    public void Nowhere_is_no_target()
    {
        using InstalledCode one = Install(1);
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => new CodeSlot(0));
        var slot = new CodeSlot(one.Address);
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => slot.Target = 0);
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => slot.Exchange(0));
        Assert.Equal(1, MachineCode.Call(slot.Address));
    }

    [Fact]
    public void Thousands_of_slots_have_separate_addresses_and_targets()
    {
        using InstalledCode one = Install(1);
        using InstalledCode two = Install(2);
        CodeSlot[] slots = [.. Enumerable.Range(0, 10_000).Select(_ => new CodeSlot(one.Address))];
        for (int index = 0; index < slots.Length; index += 2)
        {
            slots[index].Target = two.Address;
        }

        Assert.Equal(slots.Length, slots.Select(slot => slot.Address).Distinct().Count());
        Assert.All(
            Enumerable.Range(0, slots.Length),
            index => Assert.Equal(index % 2 == 0 ? 2 : 1, MachineCode.Call(slots[index].Address))
        );
    }

    [Fact]
    public void Stubs_are_executable_and_not_writable_and_cells_the_other_way_round()
    {
        using InstalledCode one = Install(1);
        var slot = new CodeSlot(one.Address);
        Assert.Equal("r-xs", Maps.PermissionsAt(slot.Address));
        Assert.Equal("rw-p", Maps.PermissionsAt(slot.Address + (1 << 16)));
    }

    [Fact]
    public void The_stub_for_x86_64_jumps_to_what_its_own_cell_holds()
    {
        byte[] stubs = SlotTable.Stubs(Architecture.X64);
        foreach (int at in new[] { 0, SlotTable.SlotBytes, stubs.Length - SlotTable.SlotBytes })
        {
            var decoder = Decoder.Create(64, new ByteArrayCodeReader(stubs, at, SlotTable.SlotBytes), (ulong)at);
            Instruction jump = decoder.Decode();
            Assert.Equal(Iced.Intel.Code.Jmp_rm64, jump.Code);
            Assert.Equal((ulong)(at + stubs.Length), jump.IPRelativeMemoryAddress);
            Assert.All(Enumerable.Range(0, 10), _ => Assert.Equal(Mnemonic.Int3, decoder.Decode().Mnemonic));
        }
    }

    /// <summary>Compared with what GNU as 2.40 for aarch64 makes of "ldr x16, . + 65536; br x16".</summary>
    [Fact]
    public void The_stub_for_arm64_is_what_an_assembler_makes_of_it() =>
        Assert.Equal(
            [0x58080010u, 0xD61F0200u, 0u, 0u],
            MemoryMarshal.Cast<byte, uint>(SlotTable.Stubs(Architecture.Arm64).AsSpan(0, 16)).ToArray()
        );

    private static InstalledCode Install(int value)
    {
        using SealedCode code = SealedCode.Seal(MachineCode.Return(value));
        return code.Install();
    }
}
